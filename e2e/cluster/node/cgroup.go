package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/e2e/cluster/state"
)

const cgroupRoot = "/sys/fs/cgroup"

// Hierarchies returns the mount points of the machine's control group hierarchies: one where it runs version
// 2, one for each controller where it runs version 1, both where it runs a mixture.
func Hierarchies() ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find control groups: %w", err)
	}
	return hierarchies(string(data)), nil
}

// hierarchies reads them from the text of a mountinfo file: "… root mountpoint options … - type source
// superoptions".
func hierarchies(mountinfo string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		before, after, separated := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if !separated || len(place) < 5 || len(kind) < 1 || !strings.HasPrefix(kind[0], "cgroup") {
			continue
		}
		if place[4] == cgroupRoot || strings.HasPrefix(place[4], cgroupRoot+"/") {
			found = append(found, place[4])
		}
	}
	return found
}

// joinCgroup makes the cluster's control group with one below it for every node's pods, and moves this
// process into another one there, so that the end or a limit of the caller's group does not affect the
// cluster, and so that every process of the cluster can be found.
func joinCgroup(dir state.Dir) error {
	all, err := Hierarchies()
	if err != nil {
		return err
	}
	config, err := state.ReadConfig(dir)
	if err != nil {
		return err
	}
	for _, hierarchy := range all {
		group := filepath.Join(hierarchy, dir.Cgroup())
		if hierarchy == cgroupRoot { // version 2 alone; in a mixture the controllers are with version 1
			if err := delegate(hierarchy, group); err != nil {
				return err
			}
		}
		for _, node := range config.Nodes() {
			if err := makeGroup(hierarchy, group, filepath.Join(group, node.Name)); err != nil {
				return err
			}
		}
		own := filepath.Join(group, "components")
		if err := makeGroup(hierarchy, group, own); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(own, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeGroup makes the groups from the outermost to the innermost. Version 1's cpusets start out empty and
// take no process until they have been given what their parent has.
func makeGroup(parent string, groups ...string) error {
	for _, group := range groups {
		if err := os.MkdirAll(group, 0o755); err != nil {
			return err
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			inherited, err := os.ReadFile(filepath.Join(parent, file))
			if err != nil {
				continue // not the cpuset hierarchy, or the root of version 2, where children inherit
			}
			if err := os.WriteFile(filepath.Join(group, file), inherited, 0o644); err != nil {
				return err
			}
		}
		parent = group
	}
	return nil
}

// delegate makes the controllers that version 2 offers at root available in group and below it: there, a
// group has only the controllers that its parent passes on, and the kubelet insists on them.
func delegate(root, group string) error {
	if err := os.MkdirAll(group, 0o755); err != nil {
		return err
	}
	offered, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, place := range []string{root, group} {
		control := filepath.Join(place, "cgroup.subtree_control")
		passed, err := os.ReadFile(control)
		if err != nil {
			return err
		}
		if lacking := notPassed(string(offered), string(passed)); lacking != "" {
			if err := os.WriteFile(control, []byte(lacking), 0o644); err != nil {
				return fmt.Errorf("pass controllers on (%s): %w", lacking, err)
			}
		}
	}
	return nil
}

// notPassed returns the controllers that are offered and not passed on, in the form that passes them on.
func notPassed(offered, passed string) string {
	there := strings.Fields(passed)
	var lacking []string
	for controller := range strings.FieldsSeq(offered) {
		if !slices.Contains(there, controller) {
			lacking = append(lacking, "+"+controller)
		}
	}
	return strings.Join(lacking, " ")
}
