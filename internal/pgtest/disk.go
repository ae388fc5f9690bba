package pgtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// DiskName is the device of a Disk in a list of mounts.
const DiskName = "berth-disk"

// Disk is a file system in memory that holds the data of one server and can be full. It is mounted where only the
// server sees it, so that it goes with the server, however that ends.
type Disk struct {
	// Bytes is its size.
	Bytes int64
	owner *Server
}

// NewDisk returns a disk of a size, for Launch. It fails where nothing can be mounted; the error says why.
func NewDisk(bytes int64) (*Disk, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("only root can mount a disk")
	}
	dir, err := os.MkdirTemp("", DiskName)
	if err != nil {
		return nil, err
	}
	probe := exec.Command("unshare", "--mount", "--propagation", "private", "mount", "-t", "tmpfs", DiskName, dir)
	out, err := probe.CombinedOutput()
	if err = errors.Join(err, os.Remove(dir)); err != nil {
		return nil, fmt.Errorf("mount a disk: %w: %s", err, out)
	}
	return &Disk{Bytes: bytes}, nil
}

// mountDisk mounts the disk, runs the supervisor as its user, and removes the directory when that has ended: the
// supervisor cannot remove where a disk is mounted.
const mountDisk = `
trap '' INT TERM HUP
size=$1 uid=$2 gid=$3 dir=$4
shift 4
mkdir "$dir/data" && mount -t tmpfs -o "size=$size,mode=0700,uid=$uid,gid=$gid" ` + DiskName + ` "$dir/data" || exit 1
setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"
umount -l "$dir/data"
rm -rf "$dir"
`

// around returns the command that runs the supervisor of a server with the disk.
func (d *Disk) around(s *Server, supervisor []string) []string {
	d.owner = s
	uid, gid := s.owner()
	size := strconv.FormatInt(d.Bytes, 10)
	return append([]string{
		"unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", mountDisk, "disk", size, uid, gid, s.dir,
	}, supervisor...)
}

// inside returns the command that runs another as the user of the server, where the disk is mounted.
func (d *Disk) inside(s *Server, command []string) []string {
	uid, gid := s.owner()
	return append(d.enter(s), append([]string{"setpriv", "--reuid", uid, "--regid", gid, "--clear-groups"}, command...)...)
}

func (d *Disk) enter(s *Server) []string {
	return []string{"nsenter", "--mount", "--target", strconv.Itoa(s.supervisor.Process.Pid)}
}

// owner is the user that runs the server, as numbers.
func (s *Server) owner() (uid, gid string) {
	return strconv.FormatUint(uint64(s.credential.Uid), 10), strconv.FormatUint(uint64(s.credential.Gid), 10)
}

// fillTries is how often Fill tries: the server may write while it does, and a disk cannot be made smaller than what is on
// it.
const fillTries = 50

// Fill leaves about so many bytes free, whatever there was.
func (d *Disk) Fill(free int64) error {
	for try := 1; ; try++ {
		used, err := d.Used()
		if err != nil {
			return err
		}
		if err = d.resize(used + free); err == nil || try == fillTries {
			return err
		}
	}
}

// Free gives the disk its size again.
func (d *Disk) Free() error { return d.resize(d.Bytes) }

func (d *Disk) resize(bytes int64) error {
	command := append(d.enter(d.owner), "mount", "-o", fmt.Sprint("remount,size=", bytes), d.path())
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("resize the disk to %d bytes: %w: %s", bytes, err, out)
	}
	return nil
}

// Used is how many bytes are on the disk.
func (d *Disk) Used() (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(filepath.Join("/proc", strconv.Itoa(d.owner.supervisor.Process.Pid), "root", d.path()), &stat); err != nil {
		return 0, fmt.Errorf("read the size of the disk: %w", err)
	}
	return int64(stat.Blocks-stat.Bfree) * stat.Bsize, nil
}

func (d *Disk) path() string { return filepath.Join(d.owner.dir, "data") }
