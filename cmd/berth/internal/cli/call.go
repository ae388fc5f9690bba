package cli

// ResultOf gives an empty answer for the one that is missing when there is an error, so that its fields can
// be named.
func ResultOf[T any](r *T, err error) *T {
	if err != nil || r == nil {
		return new(T)
	}
	return r
}

// PrintDone says what was done, or prints the document for programs.
func PrintDone(app *App, format Format, document any, text string, args ...any) error {
	if format == Table {
		return app.Printf(text+"\n", args...)
	}
	return app.Document(format, document)
}
