package request

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestNamesOfPathAndQueryAreComposed(t *testing.T) {
	for _, test := range []struct{ name, target, path, query string }{
		{"as it is", "/api/v1/deployments/etl?pool=a", "/api/v1/deployments/etl", "pool=a"},
		{"a name of two characters a letter", "/api/v1/deployments/e%CC%81tude", "/api/v1/deployments/%C3%A9tude", ""},
		{"beside a slash that is part of a name", "/api/v1/work-pools/a%2Fe%CC%81", "/api/v1/work-pools/a%2F%C3%A9", ""},
		{"in a query", "/api/v1/runs?deployment=e%CC%81&limit=1", "/api/v1/runs", "deployment=%C3%A9&limit=1"},
		{"a query that does not parse", "/api/v1/runs?a=e%CC%81;b", "/api/v1/runs", "a=e%CC%81;b"},
		{"marks that have no composed form", "/api/v1/deployments/%E0%A4%A6%E0%A5%88", "/api/v1/deployments/%E0%A4%A6%E0%A5%88", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Composed(httptest.NewRequest(http.MethodGet, test.target, http.NoBody))
			if path := r.URL.EscapedPath(); path != test.path || r.URL.RawQuery != test.query {
				t.Errorf("got %s?%s, want %s?%s", path, r.URL.RawQuery, test.path, test.query)
			}
		})
	}
}
