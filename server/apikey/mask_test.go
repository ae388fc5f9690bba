package apikey

import (
	"crypto/rand"
	"testing"
)

func TestMaskKeepsOnlyTheIDOfAKey(t *testing.T) {
	user, err := New()
	if err != nil {
		t.Fatal(err)
	}
	job, err := NewJobKey([16]byte{1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"/api/v1/api-keys/" + user.Text + "?x":  "/api/v1/api-keys/" + user.String() + "?x",
		user.Text + " " + job.Text:              user.String() + " " + job.String(),
		user.Text[:len(user.Text)-3]:            user.String(),
		"no key here, berth_runs":               "no key here, berth_runs",
		"berth_0badcafe_short":                  "berth_0badcafe_short",
		`"` + job.Text + `", and text after it`: `"` + job.String() + `", and text after it`,
	} {
		if got := Mask(text); got != want {
			t.Errorf("%s: got %s", want, got)
		}
	}
}
