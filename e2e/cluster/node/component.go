package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// A component is a process of the cluster that the supervisor keeps running.
type component struct {
	name  string
	path  string // of the program
	args  []string
	needs []string // components that must have been healthy once before this one is started
	probe probe
}

// A probe returns nil where the component does its work.
type probe func(context.Context) error

// components returns everything that has to run for the configuration, in an order that respects what needs
// what.
func components(dir state.Dir, config state.Config) []component {
	all := []component{etcd(dir, config), apiServer(dir), controllerManager(dir), scheduler(dir)}
	for _, node := range config.Nodes() {
		all = append(all, containerd(dir, node), kubelet(dir, node))
	}
	all = append(all, kubeProxy(dir, config.Nodes()[0]))
	for i := range all {
		all[i].args = append(all[i].args, config.Args[all[i].name]...)
	}
	return all
}

// etcd keeps its data without waiting for the disk: the cluster is for tests, and a test does not pull the
// plug.
func etcd(dir state.Dir, config state.Config) component {
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return component{
		name: "etcd",
		path: config.Binaries["etcd"],
		args: []string{
			"--data-dir=" + dir.Path("etcd"), "--unsafe-no-fsync", "--quota-backend-bytes=8589934592",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
		},
		probe: getProbe(client + "/health"),
	}
}

// getProbe asks url, which must answer with 200. The certificate is not verified: inside its own network
// namespace a component can only be reached by itself.
func getProbe(url string) probe {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(
				io.LimitReader(response.Body, 500)) // a part of it explains more than nothing
			return fmt.Errorf("%s: %s: %s", url, response.Status, body)
		}
		return nil
	}
}

// dialProbe connects to the unix socket at path.
func dialProbe(path string) probe {
	return func(ctx context.Context) error {
		connection, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}
