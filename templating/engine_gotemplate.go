package templating

// GoTemplateEngine is the default: placeholders, and Go template actions with a safe part of sprig.
func GoTemplateEngine() Engine { return goTemplateEngine{} }

type goTemplateEngine struct{ placeholderEngine }

func (goTemplateEngine) Name() string { return DefaultEngine }
