package berthfile

import (
	"slices"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// checkExact refuses numbers that would not arrive as they were written: 3.10 is the number 3.1, and 007 is 7.
// The values of an environment are text, and a parameter that its schema declares as a number is meant as one.
func (c *checker) checkExact(root *yamldoc.Value) {
	if stored := root.Get(variables); stored != nil {
		for _, m := range stored.Names {
			c.exact(m.Value, variables+"."+m.Name)
		}
	}
	deployments := root.Get("deployments")
	if deployments == nil {
		return
	}
	for i, deployment := range deployments.Items {
		where := "deployments" + itemName(i, deployment)
		schema := deployment.Get("parameter_schema")
		c.exactValues(deployment, schema, where)
		schedules := deployment.Get("schedules")
		if schedules == nil {
			continue
		}
		for j, schedule := range schedules.Items {
			c.exactValues(schedule, schema, where+".schedules"+itemName(j, schedule))
		}
	}
}

func (c *checker) exactValues(of, schema *yamldoc.Value, where string) {
	if given := of.Get("job_variables"); given != nil {
		c.exact(given, where+".job_variables")
	}
	given := of.Get("parameters")
	if given == nil {
		return
	}
	for _, m := range given.Names {
		if m.Value.Kind != yamldoc.Number || !isNumeric(schema, m.Name) {
			c.exact(m.Value, where+".parameters."+m.Name)
		}
	}
}

// isNumeric is true for a parameter that its schema declares as a number.
func isNumeric(schema *yamldoc.Value, name string) bool {
	for _, step := range []string{"properties", name, "type"} {
		if schema == nil {
			return false
		}
		schema = schema.Get(step)
	}
	return schema != nil && slices.Contains([]string{"number", "integer"}, schema.Text())
}

func (c *checker) exact(v *yamldoc.Value, where string) {
	if changed := v.Inexact(); changed != nil {
		c.fail(changed.Place, where+": "+changed.AsWritten())
	}
}
