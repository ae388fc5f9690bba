package action

import (
	"github.com/berth-dev/berth/templating/internal/value"
)

// kubernetesFunctions are ours: what manifests need and sprig has not.
func kubernetesFunctions() []Function {
	group := []Function{
		{
			Name:  "quantity",
			Usage: "quantity A [OPERATOR B]",
			Doc:   "a Kubernetes quantity; + - add and subtract quantities, * / scale by a number, min max choose, < <= == >= > compare",
			Min:   1,
			Max:   3,
			run:   runQuantity,
		},
		{
			Name:  "slug",
			Usage: "slug STRING",
			Doc:   "a DNS label of at most 63 characters",
			Min:   1,
			Max:   1,
			run:   onText(func(s string) string { return value.Slug(s, 63) }),
		},
		{
			Name:  "uuidv4",
			Usage: "uuidv4",
			Doc:   "an id derived from run, attempt and place: the same every time it is rendered",
			Max:   0,
			Sprig: true,
			run:   func(c *call) (any, error) { return c.m.newUUID(), c.making(64) },
		},
		{
			Name:  "include",
			Usage: "include NAME DATA",
			Doc:   "what a defined template writes (text manifests)",
			Min:   1,
			Max:   2,
			run:   runInclude,
		},
	}
	for i := range group {
		group[i].Group = "kubernetes"
	}
	return group
}

func runInclude(c *call) (any, error) {
	name, err := c.str(0)
	if err != nil {
		return nil, err
	}
	var dot any
	if len(c.args) == 2 {
		dot = c.args[1]
	}
	return c.m.include(name, dot)
}

func runQuantity(c *call) (any, error) {
	if len(c.args) == 2 {
		return nil, c.errorf(`takes a quantity, or a quantity, an operator and another: quantity "1Gi" "*" 2`)
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

func (c *call) quantity(i int) (quantity, error) {
	text, err := c.text(i)
	if err != nil {
		return quantity{}, err
	}
	if err := c.m.budget.Spend(50); err != nil {
		return quantity{}, err
	}
	q, err := parseQuantity(text)
	if err != nil {
		return quantity{}, c.errorf("%w", err)
	}
	return q, nil
}
