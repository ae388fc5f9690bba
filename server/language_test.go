package server_test

import (
	"net/http"
	"testing"

	"github.com/berth-dev/berth/templating/language"
)

func TestEditorsReadTheLanguageOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, path := range []string{"/api/v1/language", "/api/v1/language/schema"} {
		first := r.call(http.MethodGet, path, "").is(http.StatusOK)
		etag := first.header.Get("ETag")
		if len(etag) < 10 {
			t.Errorf("%s: the ETag is %q", path, etag)
		}
		for sent, want := range map[string]int{
			etag: http.StatusNotModified, "W/" + etag: http.StatusNotModified, `"other", ` + etag: http.StatusNotModified,
			`"other"`: http.StatusOK,
		} {
			request := r.request(r.admin, http.MethodGet, path, "")
			request.Header.Set("If-None-Match", sent)
			if again := r.send(request).is(want); want == http.StatusNotModified && len(again.body) > 0 {
				t.Errorf("%s: with If-None-Match: %s, %d bytes came", path, sent, len(again.body))
			}
		}
	}
	vocabulary := read[language.Language](r.call(http.MethodGet, "/api/v1/language", ""))
	if len(vocabulary.Functions) < 150 || len(vocabulary.Kubernetes.Types) < 100 {
		t.Errorf("%d functions, %d types", len(vocabulary.Functions), len(vocabulary.Kubernetes.Types))
	}
}
