package node

import (
	"slices"
	"testing"
)

func TestHierarchiesAreFoundInEveryVersion(t *testing.T) {
	for name, test := range map[string]struct {
		mountinfo string
		want      []string
	}{
		"version 2": {
			"29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
			[]string{"/sys/fs/cgroup"},
		},
		"version 1 and a mixture": {
			"20 1 0:18 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
				"21 20 0:19 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
				"22 20 0:20 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			[]string{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/unified"},
		},
		"a container's view elsewhere does not count": {
			"21 20 0:19 / /var/lib/x/sys/fs/cgroup rw - cgroup2 cgroup2 rw\nnonsense\n\n",
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hierarchies(test.mountinfo); !slices.Equal(got, test.want) {
				t.Errorf("hierarchies = %q, want %q", got, test.want)
			}
		})
	}
}

func TestControllersThatAreLackingArePassedOn(t *testing.T) {
	for name, test := range map[string]struct{ offered, passed, want string }{
		"some": {"cpuset cpu io memory pids\n", "cpu memory pids\n", "+cpuset +io"},
		"all":  {"cpu memory\n", "\n", "+cpu +memory"},
		"none": {"cpu memory\n", "memory cpu\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := notPassed(test.offered, test.passed); got != test.want {
				t.Errorf("notPassed = %q, want %q", got, test.want)
			}
		})
	}
}
