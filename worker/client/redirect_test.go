package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func TestAWorkerNeverSendsItsKeyToTheTargetOfARedirect(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer target.Close()
	server := httptest.NewServer(http.RedirectHandler(target.URL+"/login", http.StatusTemporaryRedirect))
	defer server.Close()

	c, err := New(Options{
		ServerURL: server.URL, APIKey: "k", HTTP: apiclient.NewHTTPClient(http.DefaultTransport), Pool: "p", Worker: "w",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Hello(t.Context(), api.WorkerHello{})
	if err == nil || !strings.Contains(err.Error(), "redirects to "+target.URL+"/login") {
		t.Errorf("got %v", err)
	}
	if asked.Load() > 0 {
		t.Error("the target was asked")
	}
}
