package schedule

import "fmt"

// Error says which field of a Spec is wrong and what was expected there.
type Error struct {
	Field    string // "cron", "every", "anchor", "rrule", "timezone", "start", "end", "jitter"
	Expected string
	Err      error // what a parser or the system said, if it said anything
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s: want %s", e.Field, e.Expected)
	}
	return fmt.Sprintf("%s: want %s: %v", e.Field, e.Expected, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

func wrong(field, want string, args ...any) error {
	return &Error{Field: field, Expected: fmt.Sprintf(want, args...)}
}
