// Package gitorigin names the project of a deployment file after the repository that the file is in. Two clones
// of one repository have the same name wherever they are, and clones of two repositories never do, whatever
// their directories are called.
package gitorigin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"os/exec"
	"path"
	"regexp"
	"strings"
)

// ErrNone says that a directory is in no repository with a remote named origin.
var ErrNone = errors.New("no git repository with a remote named origin")

// Project returns the name for the files of a directory: the host and path of its repository's origin, and the
// directory inside the repository, such as github.com:acme:etl@jobs. User names and passwords in the origin
// are left out.
func Project(ctx context.Context, dir string) (string, error) {
	origin, err := git(ctx, dir, "config", "--get", "remote.origin.url")
	if err != nil || origin == "" {
		return "", ErrNone
	}
	inside, err := git(ctx, dir, "rev-parse", "--show-prefix")
	if err != nil {
		return "", ErrNone
	}
	return name(origin, inside)
}

// git runs a query in the repository of a directory. One without a repository, or a machine without git, has
// no answer.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	output, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	return strings.TrimSpace(string(output)), err
}

var (
	// scpLike is the short form of SSH, such as git@github.com:acme/etl.git.
	scpLike = regexp.MustCompile(`^(?:[^@/]+@)?([^:/@]+):([^/].*|/.*)$`)
	// notInNames are the characters that the server takes in no name.
	notInNames = regexp.MustCompile(`[^\p{L}\p{M}\p{N} ._:@+-]`)
)

// maxName is the length of the longest name that the server takes.
const maxName = 200

func name(origin, inside string) (string, error) {
	host, repository := "", origin
	if u, err := url.Parse(origin); err == nil && u.Scheme != "" && strings.Contains(origin, "://") {
		host, repository = u.Hostname(), u.Path
	} else if parts := scpLike.FindStringSubmatch(origin); parts != nil {
		host, repository = parts[1], parts[2]
	}
	repository = strings.TrimSuffix(strings.Trim(path.Clean("/"+repository), "/"), ".git")
	if repository == "" {
		return "", ErrNone
	}
	if host == "" {
		host = "file" // a repository of this machine
	}

	project := strings.ToLower(host) + ":" + strings.ReplaceAll(repository, "/", ":")
	if inside = strings.Trim(inside, "/"); inside != "" {
		project += "@" + strings.ReplaceAll(inside, "/", ":")
	}
	valid := notInNames.ReplaceAllString(project, "-")
	if valid == project && len(project) <= maxName {
		return project, nil
	}
	// What was left out or cut off still tells two names apart.
	sum := sha256.Sum256([]byte(project))
	suffix := "-" + hex.EncodeToString(sum[:6])
	valid = strings.ToValidUTF8(valid[:min(len(valid), maxName-len(suffix))], "")
	return valid + suffix, nil
}
