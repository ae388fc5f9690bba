package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/berth-dev/berth/server/request"
)

const (
	headerTimeout = 10 * time.Second
	// writeTimeout exceeds the longest poll. Streams and long texts extend it while they write.
	writeTimeout   = 90 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	// stopTimeout is how long open requests may take after the server was asked to stop.
	stopTimeout = 20 * time.Second
)

func listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use by another process, perhaps another Berth server", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// serve answers requests until ctx ends, then waits for open requests. It uses TLS if secure is not nil.
func serve(
	ctx context.Context, listener net.Listener, secure *tls.Config, handler http.Handler, logger *slog.Logger,
) error {
	bodies := request.NewBodies()
	server := &http.Server{
		TLSConfig: secure, Handler: bodies.Wrap(handler),
		ReadHeaderTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		if secure != nil {
			served <- server.ServeTLS(listener, "", "") // the certificate comes from secure
			return
		}
		served <- server.Serve(listener)
	}()

	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}

	bodies.Stop()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		logger.Warn("open requests were aborted", "address", listener.Addr().String(), "error", err)
		_ = server.Close() // the error of Shutdown is already logged
	}
	<-served
	return nil
}

func urlOf(listener net.Listener, secure bool) string {
	if secure {
		return "https://" + listener.Addr().String()
	}
	return "http://" + listener.Addr().String()
}
