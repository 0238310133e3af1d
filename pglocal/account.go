package pglocal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system user that runs initdb and postgres.
type account struct {
	name     string
	uid, gid uint32
	self     bool // the user we are already
}

// chooseAccount: ourselves, unless we are root. Root hands over to the owner of
// the data if there is any, so that a directory made without root keeps working.
func chooseAccount(data string) (account, error) {
	if os.Geteuid() != 0 {
		return account{self: true}, nil
	}
	if info, err := os.Stat(data); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 {
			return account{name: "the owner of " + data, uid: owner.Uid, gid: owner.Gid}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return parseAccount(u)
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody to run it as")
}

func parseAccount(u *user.User) (account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: parse its number: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("user %s: parse the number of its group: %w", u.Username, err)
	}
	return account{name: "user " + u.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}

// attributes for a child that runs as the account and ends with us. It gets a
// process group of its own: Ctrl-C is for us, and we stop the server when done.
func (a account) attributes(onOwnerDeath syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if !a.self {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	dieWithOwner(attr, onOwnerDeath)
	return attr
}

// own makes the account the owner of the paths.
func (a account) own(paths ...string) error {
	if a.self {
		return nil
	}
	for _, path := range paths {
		if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
			return fmt.Errorf("hand %s to %s: %w", path, a.name, err)
		}
	}
	return nil
}

// canRun checks that the account may execute the server programs.
func (a account) canRun(binDir string) error {
	if err := a.probe(binDir, "/"); err != nil {
		return fmt.Errorf("run %s as %s: %w", filepath.Join(binDir, "postgres"), a.name, err)
	}
	return nil
}

// canReach tells whether the account may use dir, by asking the kernel: mode
// bits alone know nothing of access control lists.
func (a account) canReach(binDir, dir string) bool {
	return a.self || a.probe(binDir, dir) == nil
}

func (a account) probe(binDir, dir string) error {
	cmd := exec.Command(filepath.Join(binDir, "postgres"), "--version")
	cmd.Dir = dir
	cmd.Env = environment(dir)
	_, err := runAs(cmd, a)
	return err
}
