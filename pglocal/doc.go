// Package pglocal runs a private PostgreSQL in a directory: for `headcount dev`
// and for tests that want the real thing.
//
// # Promise
//
//   - [Start] returns a server that accepts connections, on 127.0.0.1 only, with
//     no unix socket and a random password. The first start creates the database
//     (initdb); later ones find everything that was committed, also after
//     kill -9 of the server: fsync stays on.
//   - One owner per directory, by a file lock. A second Start on it is refused,
//     in this process and in any other.
//   - The server ends with its owner: by [Server.Stop], or, when the owner is
//     killed, by a signal from the kernel (Linux). Where that signal does not
//     exist, the next Start on the directory stops the server left behind: such a
//     server is stopped, never adopted, because a process that is not our child
//     can neither be waited for nor tied to our life.
//
// # Needs
//
// PostgreSQL's server programs, version 12 or newer ([Find] says where it looks;
// `make deps` installs them on Debian).
//
// Root is not needed, and does no harm: PostgreSQL refuses to run as root, so then
// initdb and postgres run as the owner of the existing data, else as the user
// postgres, else as nobody, and the directory is handed to that user. A directory which that user cannot reach (below /root, say) stays empty
// but for a token, and the database lives in a directory of its own below
// /var/lib, or below the temporary directory if that is where the first one is;
// one log line says where. Remove the first directory and the next Start begins
// with an empty database there too.
//
// # What lies in the directory
//
//	data/          PostgreSQL's own files
//	password       the database password; readable by the server's user only
//	port           the port of the last start, taken again when it is free
//	postgres.log   what the server says; kept to two files of 8 MiB
//	lock           held while a server of ours runs
//
// # Failures
//
//	server programs missing            Start: ErrNoPrograms, which says what to run
//	directory holds something else     Start refuses; nothing in it is touched
//	directory in use                   Start: ErrInUse
//	port taken                         Start with a fixed port fails; otherwise it takes another
//	data of another major version      Start uses that version's programs, or names both versions
//	server does not come up            Start's error ends with the server's last words
//	server dies later                  Done is closed; Start again after Stop
//
// # Concurrency
//
// Start may be called from any goroutine; a Server's methods too.
package pglocal
