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

// start begins the process. What the host says against it is refused, with a hint.
func (p *process) start() (*exec.Cmd, *os.File, error) {
	env := p.plan.environ(os.LookupEnv, map[string]string{markerName: p.record.UID})
	dir := p.plan.dir
	if dir == "" {
		dir = p.shelf.work(p.record.ref())
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, nil, &job.Refused{Category: api.CategoryConfig, Err: err,
			Message: fmt.Sprintf(
				"workingDir %s is no directory of this host: create it, or leave workingDir out for a fresh one",
				dir,
			)}
	}
	path, err := lookProgram(p.plan.args[0], dir, env)
	if err != nil {
		return nil, nil, &job.Refused{Category: api.CategoryConfig, Err: err,
			Message: fmt.Sprintf(
				"command %q can not be run on this host: %v; install it or set PATH in env",
				p.plan.args[0],
				err,
			)}
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make a pipe for output: %w", err)
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

// lookProgram finds the program as a container runtime would: by the PATH of the job, not of the worker.
func lookProgram(name, dir string, env []string) (string, error) {
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
	return "", fmt.Errorf("not found on its PATH: %w", exec.ErrNotFound)
}
