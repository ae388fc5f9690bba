package apikey

import (
	"crypto/rand"
	"testing"
)

func TestMaskLeavesOfAKeyItsID(t *testing.T) {
	person, err := New()
	if err != nil {
		t.Fatal(err)
	}
	job, err := NewJobKey([16]byte{1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"/api/v1/api-keys/" + person.Text + "?x":  "/api/v1/api-keys/" + person.String() + "?x",
		person.Text + " " + job.Text:              person.String() + " " + job.String(),
		person.Text[:len(person.Text)-3]:          person.String(),
		"nothing of the kind, berth_runs":         "nothing of the kind, berth_runs",
		"berth_0badcafe_short":                    "berth_0badcafe_short",
		`"` + job.Text + `", and a word after it`: `"` + job.String() + `", and a word after it`,
	} {
		if got := Mask(text); got != want {
			t.Errorf("%s: got %s", want, got)
		}
	}
}
