package dryrun

import (
	"strings"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/problem"
)

// Bounds of what a worker answers.
const (
	maxObjects   = 10
	maxWarnings  = 100
	maxChanges   = 1000
	maxText      = 16 << 10
	maxNamespace = 63
	maxAnswer    = 1 << 20
)

// Clean checks an answer of a worker and cuts its texts.
func Clean(answer *api.DryRunAnswer) error {
	switch {
	case !answer.Outcome.Valid():
		return invalid("/outcome", "is not an outcome of a dry run")
	case len(answer.Objects) > maxObjects:
		return invalid("/objects", "at most %d are allowed", maxObjects)
	case answer.Namespace != nil && len(*answer.Namespace) > maxNamespace:
		return invalid("/namespace", "must have at most %d bytes", maxNamespace)
	}
	cut(answer.Message)
	for i := range answer.Objects {
		o := &answer.Objects[i]
		switch {
		case !o.Kind.Valid() || !o.Outcome.Valid():
			return invalid("/objects", "has an unknown kind or outcome")
		case len(o.Warnings) > maxWarnings || len(o.Changes) > maxChanges:
			return invalid("/objects", "at most %d warnings and %d changes are allowed", maxWarnings, maxChanges)
		}
		cut(o.Message)
		for w := range o.Warnings {
			cut(&o.Warnings[w])
		}
	}
	return nil
}

// CheckSize refuses an answer that is too large to be stored.
func CheckSize(encoded []byte) error {
	if len(encoded) > maxAnswer {
		return problem.Newf(problem.BodyTooLarge, "the answer has %d bytes; at most %d are allowed", len(encoded), maxAnswer)
	}
	return nil
}

func cut(text *string) {
	if text != nil {
		*text = strings.ToValidUTF8((*text)[:min(len(*text), maxText)], "")
	}
}

func invalid(at, format string, args ...any) error {
	refusal := problem.Newf(problem.InvalidBody, format, args...)
	return refusal.At(at, "%s", refusal.Detail)
}
