package function

import "github.com/berth-dev/berth/templating/internal/value"

// kubernetesFunctions are not in sprig, except uuidv4: manifests need them.
func kubernetesFunctions() []Function {
	return group("kubernetes", []Function{
		{Usage: "quantity A [OPERATOR B]", Min: 1, Max: 3, run: runQuantity,
			Doc: "a Kubernetes quantity; + - add and subtract quantities, * / scale by a number, min max choose, < <= == >= > compare"},
		{Usage: "slug STRING", Min: 1, Max: 1,
			Doc: "a DNS label of at most 63 characters",
			run: onText(func(s string) string { return value.Slug(s, 63) })},
		{
			Usage: "uuidv4",
			Sprig: true,
			run:   func(c *Call) (any, error) { return c.Render.NewUUID(), c.alloc(64) },
			Doc:   "an id derived from run, attempt and place: the same every time it is rendered",
		},
		{Usage: "include NAME DATA", Min: 1, Max: 2, run: runInclude,
			Doc: "what a defined template writes (text manifests)"},
		{Usage: "tpl STRING DATA", Min: 2, Max: 2, run: runTpl,
			Doc: "what STRING writes as a template with DATA as its root, as in Helm; it shares the limits of the render"},
	})
}

func runInclude(c *Call) (any, error) {
	name, err := c.str(0)
	if err != nil {
		return nil, err
	}
	var dot any
	if len(c.args) == 2 {
		dot = c.args[1]
	}
	return c.Render.Include(name, dot)
}

func runTpl(c *Call) (any, error) {
	source, err := c.str(0)
	if err != nil {
		return nil, err
	}
	return c.Render.Template(source, c.args[1])
}

func runQuantity(c *Call) (any, error) {
	if len(c.args) == 2 {
		return nil, c.errorf(`takes one quantity, or two with an operator between them: quantity "1Gi" "*" 2`)
	}
	a, err := c.quantity(0)
	if err != nil {
		return nil, err
	}
	if len(c.args) == 1 {
		return a.text(), nil
	}
	operator, err := c.str(1)
	if err != nil {
		return nil, err
	}
	b, err := c.quantity(2)
	if err != nil {
		return nil, err
	}
	v, err := a.operate(operator, b)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	return v, nil
}

func (c *Call) quantity(i int) (quantity, error) {
	text, err := c.text(i)
	if err != nil {
		return quantity{}, err
	}
	if err := c.Budget.Spend(50); err != nil {
		return quantity{}, err
	}
	q, err := parseQuantity(text)
	if err != nil {
		return quantity{}, c.errorf("%w", err)
	}
	return q, nil
}
