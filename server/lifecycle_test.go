package server_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server"
)

func TestStartupErrorsAreOneLine(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	used := t.TempDir()
	start(t, func(o *server.Options) { o.DataDir = used })
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*server.Options)
		want   string
	}{
		{"port in use", func(o *server.Options) { o.Listen = taken.Addr().String() }, "is in use"},
		{
			"data directory in use", func(o *server.Options) { o.DataDir = used },
			"in use by another berth process",
		},
		{"data directory is a file", func(o *server.Options) { o.DataDir = file }, "data directory"},
		{"no database", func(o *server.Options) { o.DataDir = "" }, "set a data directory or a database URL"},
		{
			"no authentication on the network",
			func(o *server.Options) { o.Auth, o.Listen = server.AuthNone, "0.0.0.0:0" },
			"--allow-unauthenticated-network",
		},
		{
			"malformed bootstrap key", func(o *server.Options) { o.BootstrapAdminKey = "hunter2" },
			"bootstrap admin key",
		},
		{"unknown authentication", func(o *server.Options) { o.Auth = "password" }, `"password"`},
		{"existing pool with another type", func(o *server.Options) {
			o.EnsurePools = []server.PoolSpec{{Name: "p", Type: "process"}, {Name: "p", Type: "kubernetes"}}
		}, "type process"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := server.Options{Listen: "127.0.0.1:0", DataDir: t.TempDir()}
			test.change(&o)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			o.Ready = func(server.Address) { t.Error("the server is ready"); cancel() }
			err := server.Run(ctx, o)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want an error with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestMetricsOnASeparatePort(t *testing.T) {
	t.Parallel()
	address := make(chan server.Address, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := async(func() error {
		return server.Run(ctx, server.Options{
			Listen: "127.0.0.1:0", MetricsListen: "127.0.0.1:0", DataDir: t.TempDir(),
			Ready: func(a server.Address) { address <- a },
		})
	})
	here := await(t, address, "ready")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for url, want := range map[string]int{here.MetricsURL: http.StatusOK, here.URL +
		"/metrics": http.StatusNotFound} {
		response, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s, want %d", url, response.Status, want)
		}
	}
	cancel()
	if err := await(t, ended, "stopping"); err != nil {
		t.Error(err)
	}
}

func TestParsePoolSpec(t *testing.T) {
	if got, err := server.ParsePoolSpec("default=kubernetes"); err != nil ||
		got != (server.PoolSpec{Name: "default", Type: "kubernetes"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "default", "=process", "default=", "default=docker"} {
		if _, err := server.ParsePoolSpec(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
