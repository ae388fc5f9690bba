package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// ComponentStatus says how a component does.
type ComponentStatus struct {
	Name string `json:"name"`
	// PID is the process in the cluster's process namespace, 0 where it does not run.
	PID      int       `json:"pid"`
	Healthy  bool      `json:"healthy"`
	Started  time.Time `json:"started"`
	Restarts int       `json:"restarts"`
	// Detail says why it is not healthy.
	Detail string `json:"detail,omitempty"`
}

// serveStatus answers on the unix socket at path how every component does, having asked it just then.
func serveStatus(ctx context.Context, path string, keepers keepers) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("serve status: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("serve status: %w", err)
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).
				Encode(keepers.status(r.Context()))
			// fails only when the client has gone
		}),
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve status: %w", err)
	}
	return nil
}

// status probes all components at once.
func (all keepers) status(ctx context.Context) []ComponentStatus {
	answers := make([]ComponentStatus, len(all))
	var group sync.WaitGroup
	for i, keeper := range all {
		group.Go(func() { answers[i] = keeper.status(ctx) })
	}
	group.Wait()
	return answers
}

func (k *keeper) status(ctx context.Context) ComponentStatus {
	err := k.check(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	status := ComponentStatus{
		Name:     k.name,
		PID:      k.pid,
		Healthy:  err == nil && k.pid != 0,
		Started:  k.started,
		Restarts: k.restarts,
	}
	switch {
	case status.Healthy:
	case k.started.IsZero():
		status.Detail = "not started yet"
	case k.pid == 0:
		status.Detail = "ended: " + k.lastExit
	default:
		status.Detail = err.Error()
	}
	return status
}

// ReadStatus asks the supervisor of the cluster in dir how the components do.
func ReadStatus(ctx context.Context, dir state.Dir) ([]ComponentStatus, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", dir.SupervisorSocket())
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://supervisor/", nil)
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	defer response.Body.Close()
	var status []ComponentStatus
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return nil, fmt.Errorf("ask the supervisor: %w", err)
	}
	return status, nil
}
