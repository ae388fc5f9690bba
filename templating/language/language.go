// Package language describes base job templates and their language for editors: functions, what ctx holds, and the
// types of a Kubernetes Job. Everything comes from the code that renders and checks templates.
package language

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest/jobtype"
)

// Language is the vocabulary of templates.
type Language struct {
	Functions  []Function                 `json:"functions"`
	Excluded   []Excluded                 `json:"excluded"`
	Context    []templating.ContextMember `json:"context"`
	Keys       []Key                      `json:"keys"`
	Kubernetes Kubernetes                 `json:"kubernetes"`
}

// Function is a function of actions.
type Function struct {
	templating.FunctionDoc
	Aliases []string `json:"aliases"` // other names
}

// Excluded is a function that people know from elsewhere and that is not here.
type Excluded struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Key is a key of a template that Kubernetes does not know.
type Key struct {
	Path string `json:"path"` // such as job_configuration.env
	Doc  string `json:"doc"`
}

// Kubernetes are the types of a Job.
type Kubernetes struct {
	Root  string                  `json:"root"` // the name of the type of a Job
	Types map[string]jobtype.Type `json:"types"`
}

// JSON returns the vocabulary as JSON. It is always the same, and must not be changed.
var JSON = sync.OnceValues(func() ([]byte, error) {
	content, err := json.Marshal(read())
	if err != nil {
		return nil, fmt.Errorf("write the language of templates: %w", err)
	}
	return content, nil
})

func read() Language {
	aliases := map[string][]string{}
	for _, a := range templating.FunctionAliases() {
		aliases[a.Name] = append(aliases[a.Name], a.Alias)
	}
	l := Language{
		Context: templating.ContextMembers(), Keys: keys(),
		Kubernetes: Kubernetes{Root: jobtype.Root, Types: jobtype.All()},
	}
	for _, f := range templating.Functions() {
		others := aliases[f.Name]
		if others == nil {
			others = []string{}
		}
		l.Functions = append(l.Functions, Function{FunctionDoc: f, Aliases: others})
	}
	for _, f := range templating.ExcludedFunctions() {
		l.Excluded = append(l.Excluded, Excluded(f))
	}
	return l
}
