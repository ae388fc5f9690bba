// Package debian sees to the programs that the source-built cluster takes from the distribution.
package debian

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A need is something on the machine and the Debian package that brings it.
type need struct {
	pkg     string
	present func() bool
}

func needs() []need {
	return []need{
		{"containerd", program("containerd", "ctr")},
		{"runc", program("runc")},
		{
			"containernetworking-plugins",
			files("/usr/lib/cni/ptp", "/usr/lib/cni/host-local", "/usr/lib/cni/portmap",
				"/usr/lib/cni/loopback"),
		},
		{"iptables", program("iptables", "iptables-save", "iptables-restore")},
		{"conntrack", program("conntrack")},
		{"busybox-static", static("/bin/busybox")},
		{"postgresql", files("/usr/lib/postgresql/*/bin/initdb")},
	}
}

// Require returns when everything the cluster takes from the distribution is there. As root on Debian it
// installs what is missing; elsewhere it says in one line what that is.
func Require(ctx context.Context, progress io.Writer) error {
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf(
			"the cluster needs what these Debian packages bring, and only root on Debian can install them here: %s",
			strings.Join(missing, " "),
		)
	}
	if err := install(ctx, missing, progress); err != nil {
		return err
	}
	if missing := missingPackages(); len(missing) > 0 {
		return fmt.Errorf("these Debian packages were installed but did not bring what the cluster needs: %s",
			strings.Join(missing, " "))
	}
	return nil
}

func missingPackages() []string {
	var missing []string
	for _, need := range needs() {
		if !need.present() {
			missing = append(missing, need.pkg)
		}
	}
	return missing
}

// install installs packages with apt-get. Without withoutDatabase, PostgreSQL's would also create and start a
// database server.
func install(ctx context.Context, packages []string, progress io.Writer) error {
	fmt.Fprintf(progress, "installing Debian packages: %s\n", strings.Join(packages, " "))
	if slices.Contains(packages, "postgresql") {
		if err := withoutDatabase("/etc/postgresql-common/createcluster.conf"); err != nil {
			return err
		}
	}
	if err := aptGet(ctx, "update", "-q"); err != nil {
		return err
	}
	return aptGet(
		ctx,
		append(
			[]string{
				"install", "-q", "-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold",
			},
			packages...)...)
}

func aptGet(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, "apt-get",
		append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, output)
	}
	return nil
}

// withoutDatabase keeps the postgresql package from creating a database cluster. An existing configuration
// file is left alone.
func withoutDatabase(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("configure postgresql: %w", err)
	}
	if err := os.WriteFile(path, []byte("create_main_cluster = false\n"), 0o644); err != nil {
		return fmt.Errorf("configure postgresql: %w", err)
	}
	return nil
}

func program(names ...string) func() bool {
	return func() bool {
		for _, name := range names {
			if _, err := exec.LookPath(name); err != nil {
				return false
			}
		}
		return true
	}
}

func files(patterns ...string) func() bool {
	return func() bool {
		for _, pattern := range patterns {
			if found, err := filepath.Glob(pattern); err != nil || len(found) == 0 {
				return false
			}
		}
		return true
	}
}
