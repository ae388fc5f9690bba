// Package node is the inside of a source-built cluster: what runs in its own process, mount and network
// namespace.
//
//	cluster init        process 1 of the namespaces: prepares them, starts the supervisor, collects orphans
//	└ cluster supervise starts the components, restarts what dies, answers for their health
//	  ├ etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy
//	  ├ per node: containerd, kubelet
//	  └ in its own process: the road from 127.0.0.1 of the machine to the API server, and the volume provisioner
//
// The namespaces are what makes a clean end certain. When process 1 ends, by whatever signal, the kernel
// kills everything that was ever started below it, among it the containers, and with the last process it
// takes away all mounts, network devices, iptables rules and connection tracking of the namespaces. Nothing
// has to be found and undone one by one. What namespaces do not hold, control groups, is removed from the
// outside (package local).
package node

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

// ListenerFD is the number of the file that init and the supervisor inherit: the listening socket on the
// machine's 127.0.0.1,
// which cannot be opened from inside the network namespace.
const ListenerFD = 3

// Init is the first process of the cluster's namespaces; it returns when the supervisor has ended.
func Init(dir state.Dir, log io.Writer) error {
	if os.Getpid() != 1 {
		return fmt.Errorf(
			"init must be the first process of its own namespaces: it is started by up, not by people")
	}
	if err := joinCgroup(dir); err != nil {
		return fmt.Errorf("join control group: %w", err)
	}
	config, err := state.ReadConfig(dir)
	if err != nil {
		return err
	}
	if err := prepareMounts(dir); err != nil {
		return fmt.Errorf("prepare mounts: %w", err)
	}
	if err := prepareNetwork(config.Nodes()); err != nil {
		return fmt.Errorf("prepare network: %w", err)
	}
	return runSupervisor(dir, log)
}

// runSupervisor starts the supervisor and collects every process that ends up without a parent, as process 1
// must, until the supervisor itself ends.
func runSupervisor(dir state.Dir, log io.Writer) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	pid, err := syscall.ForkExec(
		dir.Program(),
		[]string{dir.Program(), "supervise", "--dir", string(dir)},
		&syscall.ProcAttr{
			Env:   environment(),
			Files: []uintptr{0, 1, 2, ListenerFD},
		},
	)
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	go func() {
		for range signals {
			syscall.Kill(pid, syscall.SIGTERM) // it may be gone already, which is what was asked for
		}
	}()
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return fmt.Errorf("wait for the supervisor: %w", err)
		case ended == pid:
			fmt.Fprintf(log, "supervisor ended with %d\n", status.ExitStatus())
			return nil
		}
	}
}

// environment is what the components see of the environment: nothing of the caller's, proxies least of all.
func environment() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
}

// prepareMounts makes the mount namespace's own view: changes on the machine still arrive, none leave, and
// the places where components insist on keeping things are below the cluster's directory.
func prepareMounts(dir state.Dir) error {
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cut the propagation of mounts: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, ""); err != nil { // containers' volumes need it
		return fmt.Errorf("share mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Mount("run", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	for _, covered := range CoveredDirs() {
		inside := dir.Path("covered", covered)
		if err := os.MkdirAll(inside, 0o755); err != nil {
			return err
		}
		if err := os.MkdirAll(covered, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(inside, covered, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("cover %s: %w", covered, err)
		}
	}
	return nil
}

// CoveredDirs are the directories of the machine that components write to whatever they are told: the CNI
// library's cache, the kubelet's sockets for devices and its links to log files. The cluster sees its own in
// their place. Where one had to be made on the machine to be covered, it stays there empty until the cluster
// goes down.
func CoveredDirs() []string {
	return []string{"/var/lib/cni", "/var/lib/kubelet", "/var/log"}
}
