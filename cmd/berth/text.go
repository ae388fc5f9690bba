package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

func joined(items []string) string { return strings.Join(items, ", ") }

func seconds(n *int64) string {
	if n == nil {
		return ""
	}
	return cli.Duration(time.Duration(*n) * time.Second)
}

// retries is a policy in words; nothing where it retries nothing.
func retries(p api.RetryPolicy) string {
	var parts []string
	if p.Max != nil && *p.Max > 0 {
		text := fmt.Sprintf("%d of the workload's failures", *p.Max)
		if p.DelaySeconds != nil && *p.DelaySeconds > 0 {
			text += fmt.Sprintf(", %s apart", cli.Duration(time.Duration(*p.DelaySeconds)*time.Second))
		}
		parts = append(parts, text)
	}
	if p.InfrastructureMax != nil && *p.InfrastructureMax > 0 {
		parts = append(parts, fmt.Sprintf("%d of what the infrastructure did", *p.InfrastructureMax))
	}
	return strings.Join(parts, "; ")
}

// limit of attempts at once; nothing where there is none.
func limit(n *int32) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func frozen(names *api.FrozenNames) string {
	if names == nil {
		return ""
	}
	var parts []string
	if names.JobVariables != nil && len(*names.JobVariables) > 0 {
		parts = append(parts, "job variables "+joined(*names.JobVariables))
	}
	if names.Parameters != nil && len(*names.Parameters) > 0 {
		parts = append(parts, "parameters "+joined(*names.Parameters))
	}
	return strings.Join(parts, "; ")
}
