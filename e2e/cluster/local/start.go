package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// preferredPort is the API server's port on 127.0.0.1 unless another process uses it.
const preferredPort = 6443

// start builds what is not built yet, writes what the cluster needs to begin and starts its first process.
func (c *Cluster) start(ctx context.Context) error {
	config := c.wanted()
	config.Binaries = map[string]string{}
	for _, name := range []string{"kube", "etcd", "coredns", "pause"} {
		path, err := c.Builder.Build(ctx, name)
		if err != nil {
			return err
		}
		config.Binaries[name] = path
	}
	if err := claim(c.Dir); err != nil {
		return err
	}
	listener, err := listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	config.Port = listener.Addr().(*net.TCPAddr).Port
	if err := writeCredentials(c.Dir, config); err != nil {
		return err
	}
	if err := copyProgram(c.Dir); err != nil {
		return err
	}
	if err := state.WriteConfig(c.Dir, config); err != nil {
		return err
	}
	return c.startInit(listener)
}

// listen opens the port on which the machine reaches the API server.
func listen() (*net.TCPListener, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: preferredPort})
	if errors.Is(err, syscall.EADDRINUSE) {
		listener, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	}
	if err != nil {
		return nil, fmt.Errorf("open a port for the API server: %w", err)
	}
	return listener, nil
}

// copyProgram copies this program into the cluster's directory: what go run built is gone when go run ends,
// and the first process is recognised by running this very file.
func copyProgram(dir state.Dir) error {
	own, err := os.Open("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	defer own.Close()
	if err := os.MkdirAll(filepath.Dir(dir.Program()), 0o755); err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	target, err := os.OpenFile(dir.Program(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	if _, err := io.Copy(target, own); err != nil {
		target.Close()
		return fmt.Errorf("copy this program: %w", err)
	}
	return target.Close()
}

// startInit starts the first process in new namespaces, with the listening socket and nothing else of this
// process.
func (c *Cluster) startInit(listener *net.TCPListener) error {
	socket, err := listener.File()
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	defer socket.Close()
	if err := os.MkdirAll(c.Dir.Path("log"), 0o755); err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	log, err := os.OpenFile(c.Dir.Log("supervisor"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	defer log.Close()
	command := exec.Command(c.Dir.Program(), "init", "--dir", string(c.Dir))
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{socket} // becomes node.ListenerFD
	command.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC,
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	return command.Process.Release()
}
