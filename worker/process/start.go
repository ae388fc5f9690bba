package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker/job"
)

// start starts the process. An error of the host is refused with a hint.
func (p *process) start() (*exec.Cmd, *os.File, error) {
	env := p.plan.environ(os.LookupEnv, map[string]string{markerName: p.record.UID})
	dir := p.plan.dir
	if dir == "" {
		dir = p.records.workDir(p.record.ref())
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil, &job.Refused{Category: api.CategoryConfig, Err: err,
			Message: fmt.Sprintf(
				"workingDir %s is not a directory on this host: create it, or omit workingDir for a new one",
				dir,
			)}
	}
	path, err := findProgram(p.plan.args[0], dir, env)
	if err != nil {
		return nil, nil, &job.Refused{Category: api.CategoryConfig, Err: err,
			Message: fmt.Sprintf(
				"command %q cannot be run on this host: %v; install it or set PATH in env",
				p.plan.args[0],
				err,
			)}
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("create output pipe: %w", err)
	}
	cmd := &exec.Cmd{Path: path, Args: p.plan.args, Env: env, Dir: dir, Stdout: writer, Stderr: writer,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true}}
	err = cmd.Start()
	if closed := writer.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, nil, errors.Join(&job.Refused{Category: api.CategoryConfig, Err: err,
			Message: fmt.Sprintf(
				"command %q could not be started on this host: %v",
				p.plan.args[0],
				err,
			)}, reader.Close())
	}
	return cmd, reader, nil
}

// findProgram finds the program like a container runtime: by the PATH of the job, not of the worker.
func findProgram(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return exec.LookPath(name)
	}
	for _, entry := range env {
		list, ok := strings.CutPrefix(entry, "PATH=")
		if !ok {
			continue
		}
		for _, folder := range filepath.SplitList(list) {
			if !filepath.IsAbs(folder) {
				continue
			}
			if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("not found in the PATH of the job: %w", exec.ErrNotFound)
}
