package pglocal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrInUse says that another Server, here or in another process, holds the directory.
var ErrInUse = errors.New("the directory is in use by a running PostgreSQL of this program")

// home is the directory a server lives in. See the package comment for its files.
type home string

func (h home) data() string       { return filepath.Join(string(h), "data") }
func (h home) unfinished() string { return filepath.Join(string(h), "data.new") }
func (h home) password() string   { return filepath.Join(string(h), "password") }
func (h home) port() string       { return filepath.Join(string(h), "port") }
func (h home) log() string        { return filepath.Join(string(h), "postgres.log") }
func (h home) lock() string       { return filepath.Join(string(h), "lock") }

// token is the file that ties a home elsewhere to the directory it stands for:
// both hold the same bytes.
func (h home) token() string { return filepath.Join(string(h), "token") }

// claim makes the directory ours: it creates it, refuses one that holds anything
// we did not put there, and hands it to the account.
func (h home) claim(a account) error {
	if err := os.MkdirAll(string(h), 0o755); err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	entries, err := os.ReadDir(string(h))
	if err != nil {
		return fmt.Errorf("read the directory: %w", err)
	}
	secret := rand.Text()
	if len(entries) > 0 && !isFile(h.password()) {
		return fmt.Errorf("%s is not empty and was not made by this program: choose another directory", h)
	}
	if len(entries) == 0 {
		if err := os.WriteFile(h.password(), []byte(secret+"\n"), 0o600); err != nil {
			return fmt.Errorf("write the password: %w", err)
		}
	}
	if err := os.Chmod(string(h), 0o700); err != nil {
		return fmt.Errorf("close the directory to others: %w", err)
	}
	return a.own(string(h), h.password())
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}

// settle finds the home for dir: dir itself where the account can reach it,
// otherwise a directory elsewhere, named after dir. fresh says that the home is
// left over from a directory that has been removed since: what is in it must go.
func settle(dir, binDir string, a account, logger *slog.Logger) (h home, fresh bool, err error) {
	h = home(dir)
	if err := h.claim(a); err != nil {
		return "", false, err
	}
	if a.canReach(binDir, dir) {
		return h, false, nil
	}
	var elsewhere home
	for _, base := range basesElsewhere(dir) {
		parent := filepath.Join(base, "headcount-postgres")
		elsewhere = home(filepath.Join(parent, nameOf(dir)))
		if err = openToAll(parent); err == nil {
			err = elsewhere.claim(a)
		}
		if err == nil {
			break
		}
	}
	if err != nil {
		return "", false, fmt.Errorf("%s cannot reach %s, and no place elsewhere will do: %w", a.name, dir, err)
	}
	if !a.canReach(binDir, string(elsewhere)) {
		return "", false, fmt.Errorf("%s can reach neither %s nor %s: choose another directory", a.name, dir, elsewhere)
	}
	fresh, err = tie(h, elsewhere)
	if err != nil {
		return "", false, err
	}
	logger.Warn("PostgreSQL's files are not where they were asked to be: its user cannot reach that directory",
		"user", a.name, "asked", dir, "used", string(elsewhere))
	return elsewhere, fresh, nil
}

// basesElsewhere: what was meant to be temporary stays temporary.
func basesElsewhere(dir string) []string {
	if relative, err := filepath.Rel(os.TempDir(), dir); err == nil && filepath.IsLocal(relative) {
		return []string{os.TempDir()}
	}
	return []string{"/var/lib", os.TempDir()}
}

// openToAll creates a directory that everybody may pass and only we may change.
// In a temporary directory somebody else may have been there first.
func openToAll(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create a place for databases: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at %s: %w", dir, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(owner.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s belongs to somebody else: remove it", dir)
	}
	return nil
}

func nameOf(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return hex.EncodeToString(sum[:8])
}

// tie writes the same token to both, and reports whether they differed before.
func tie(asked, elsewhere home) (differed bool, err error) {
	token, err := os.ReadFile(asked.token())
	if errors.Is(err, fs.ErrNotExist) {
		token = []byte(rand.Text() + "\n")
		err = os.WriteFile(asked.token(), token, 0o600)
	}
	if err != nil {
		return false, fmt.Errorf("tie %s to %s: %w", asked, elsewhere, err)
	}
	if held, err := os.ReadFile(elsewhere.token()); err == nil && string(held) == string(token) {
		return false, nil
	}
	return true, nil
}

// renew empties a home that belonged to a directory since removed, and ties it
// to the present one. The caller holds the lock and has stopped its server.
func (h home) renew(asked home) error {
	for _, path := range []string{h.data(), h.unfinished()} {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the database of a directory that is gone: %w", err)
		}
	}
	token, err := os.ReadFile(asked.token())
	if err != nil {
		return fmt.Errorf("read the token: %w", err)
	}
	if err := os.WriteFile(h.token(), token, 0o600); err != nil {
		return fmt.Errorf("write the token: %w", err)
	}
	return nil
}

// acquire takes the directory's lock. The kernel drops it with the process.
func (h home) acquire() (*os.File, error) {
	file, err := os.OpenFile(h.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", h, ErrInUse)
		}
		return nil, fmt.Errorf("lock %s: %w", h.lock(), err)
	}
	return file, nil
}

func (h home) readPassword() (string, error) {
	secret, err := os.ReadFile(h.password())
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimSpace(string(secret)), nil
}

// lastPort returns 0 where there is none to remember.
func (h home) lastPort() int {
	text, err := os.ReadFile(h.port())
	if err != nil {
		return 0
	}
	port, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 16)
	if err != nil {
		return 0
	}
	return int(port)
}
