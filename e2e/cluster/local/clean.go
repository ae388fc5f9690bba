package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-dev/berth/e2e/cluster/node"
	"github.com/berth-dev/berth/e2e/cluster/state"
)

// marker is the file that says that a directory was made by this program and may be removed by it.
const marker = ".berth-cluster"

// claim makes the directory ours. One that holds other things is refused: going down removes everything in
// it.
func claim(dir state.Dir) error {
	if err := os.MkdirAll(string(dir), 0o755); err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := refuseForeign(dir); err != nil {
		return err
	}
	if err := os.WriteFile(dir.Path(marker), nil, 0o644); err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	return nil
}

func refuseForeign(dir state.Dir) error {
	entries, err := os.ReadDir(string(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look into the cluster's directory: %w", err)
	}
	ours := slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == marker })
	if len(entries) > 0 && !ours {
		return fmt.Errorf("%s holds things that are not a cluster's: set %s to another directory", dir,
			state.EnvDir)
	}
	return nil
}

// clean ends whatever is left of the cluster in dir and removes every trace of it. A directory that is not
// there is clean.
func clean(dir state.Dir) error {
	if err := refuseForeign(dir); err != nil {
		return err
	}
	first, err := findInit(dir)
	if err != nil {
		return err
	}
	if first != nil {
		defer first.Close()
		if err := first.Kill(); err != nil {
			return err
		}
	}
	if err := removeCgroups(dir.Cgroup()); err != nil {
		return err
	}
	if err := unmountBelow(string(dir)); err != nil {
		return err
	}
	if err := os.RemoveAll(string(dir)); err != nil {
		return fmt.Errorf("remove the cluster's directory: %w", err)
	}
	for _, covered := range node.CoveredDirs() {
		os.Remove(
			covered) // an empty one is what the cluster was covering; any other stays, and so does this error
	}
	return nil
}

// unmountBelow unmounts everything below root on the machine. The cluster mounts in its own namespace, so
// only a foreign mount can be there; removing the directory would reach into it.
func unmountBelow(root string) error {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("find mounts: %w", err)
	}
	for _, place := range mountsBelow(string(data), root) {
		if err := unix.Unmount(place, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", place, err)
		}
	}
	return nil
}

// mountsBelow reads the mount points at or below root from the text of a mountinfo file, the deepest first.
func mountsBelow(mountinfo, root string) []string {
	var places []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if place := unescape.Replace(fields[4]); place == root || strings.HasPrefix(place, root+"/") {
			places = append(places, place)
		}
	}
	slices.Reverse(places) // mountinfo lists in the order of mounting, so this also unstacks
	slices.SortStableFunc(places,
		func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	return places
}

// removeCgroups removes the control group called name, and all below it, from every hierarchy. Whatever
// process is still in one (there is none once the process namespace is gone) is killed.
func removeCgroups(name string) error {
	all, err := node.Hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range all {
		if err := removeCgroup(filepath.Join(hierarchy, name)); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(root string) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		groups, err := groupsBelow(root)
		if err != nil {
			return err
		}
		if len(groups) == 0 {
			return nil
		}
		for _, group := range groups {
			killMembers(group)
			err = os.Remove(group)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove control group %s: %w", root, err)
		}
		time.Sleep(20 * time.Millisecond) // ended processes leave their groups a moment later
	}
}

// groupsBelow returns root and the control groups below it, the deepest first; none where root is not there.
func groupsBelow(root string) ([]string, error) {
	var groups []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			groups = append(groups, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	slices.Reverse(groups) // a walk meets parents first
	return groups, nil
}

func killMembers(group string) {
	members, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if err != nil {
		return // gone meanwhile
	}
	for member := range strings.FieldsSeq(string(members)) {
		if pid, err := strconv.Atoi(member); err == nil && pid > 1 {
			unix.Kill(
				pid, unix.SIGKILL,
			) // it may have ended by itself; if not, removing the group fails and is reported
		}
	}
}
