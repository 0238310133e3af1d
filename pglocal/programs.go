package pglocal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNoPrograms says that PostgreSQL's server programs were not found.
var ErrNoPrograms = errors.New("PostgreSQL's server programs (initdb, postgres) are not installed: run `make deps`, or install the package \"postgresql\"")

// places are where packages put the server programs when they are not in PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // RedHat, PGDG packages
	"/usr/libexec/postgresql*",                           // Alpine
	"/opt/homebrew/opt/postgresql@*/bin",                 // Homebrew on ARM
	"/usr/local/opt/postgresql@*/bin",                    // Homebrew on Intel
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/usr/local/pgsql/bin",                               // built from source
}

// Find returns the directory of the PostgreSQL server programs to use: the one
// in PATH, else the newest of the usual places.
func Find() (binDir string, ok bool) {
	dirs := programDirs()
	if len(dirs) == 0 {
		return "", false
	}
	return dirs[0], true
}

// programDirs lists every directory with server programs, best first.
func programDirs() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if dir, err := filepath.Abs(filepath.Dir(path)); err == nil {
			dirs = append(dirs, dir)
		}
	}
	for _, pattern := range places {
		found, err := filepath.Glob(pattern)
		if err != nil {
			continue // a malformed pattern; the test of places rules it out
		}
		slices.SortFunc(found, newestFirst)
		dirs = append(dirs, found...)
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		return !executable(filepath.Join(dir, "initdb")) || !executable(filepath.Join(dir, "postgres"))
	})
}

var number = regexp.MustCompile(`\d+`)

// newestFirst orders paths such as /usr/lib/postgresql/9/bin and .../15/bin by
// the first number that differs.
func newestFirst(a, b string) int {
	return -slices.CompareFunc(number.FindAllString(a, -1), number.FindAllString(b, -1), func(x, y string) int {
		m, _ := strconv.Atoi(x)
		n, _ := strconv.Atoi(y)
		return cmp.Compare(m, n)
	})
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// programsFor returns the programs that can open the data directory: the best
// ones when it does not exist yet, else those of the version that made it.
func programsFor(data string) (binDir string, err error) {
	dirs := programDirs()
	if len(dirs) == 0 {
		return "", ErrNoPrograms
	}
	made, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return dirs[0], nil
	}
	if err != nil {
		return "", fmt.Errorf("read the version of the data: %w", err)
	}
	want := strings.TrimSpace(string(made))
	var have []string
	for _, dir := range dirs {
		version, err := majorVersion(dir)
		if err != nil {
			continue
		}
		if version == want {
			return dir, nil
		}
		have = append(have, version)
	}
	return "", fmt.Errorf("%s was made by PostgreSQL %s, and only version %s is installed: install version %s, or remove the directory to begin with an empty database",
		data, want, strings.Join(have, ", "), want)
}

// majorVersion asks the programs themselves: "postgres (PostgreSQL) 15.18 (...)".
func majorVersion(binDir string) (string, error) {
	said, err := exec.Command(filepath.Join(binDir, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", binDir, err)
	}
	version := number.FindString(string(said))
	if version == "" {
		return "", fmt.Errorf("%s does not say its version: %q", binDir, said)
	}
	return version, nil
}
