package node

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// raftLogger gives Raft a logger that writes into ours. Raft's own information is
// for debugging: what matters to an operator is logged by this package.
func raftLogger(logger *slog.Logger) hclog.Logger {
	level := hclog.Warn
	if logger.Enabled(context.Background(), slog.LevelDebug) {
		level = hclog.Debug
	}
	return hclog.New(&hclog.LoggerOptions{
		Name: "raft", Level: level, Output: &raftWriter{logger: logger, last: make(map[string]time.Time)}, DisableTime: true,
	})
}

// repeatAfter is how long a message of Raft is not repeated: it reports every
// attempt to reach a node that is down, several times a second and group.
const repeatAfter = 10 * time.Second

// raftWriter takes hclog's lines apart: "[WARN]  raft.shard-0: text: key=value".
type raftWriter struct {
	logger *slog.Logger

	mu   sync.Mutex
	last map[string]time.Time // by source and text, without the values
}

func (w *raftWriter) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	level := slog.LevelInfo
	for prefix, l := range map[string]slog.Level{
		"[DEBUG]": slog.LevelDebug, "[WARN]": slog.LevelWarn, "[ERROR]": slog.LevelError,
	} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			level, text = l, strings.TrimSpace(rest)
		}
	}
	if level <= slog.LevelInfo || w.isNew(text) {
		w.logger.Log(context.Background(), level, text)
	}
	return len(line), nil
}

// isNew reports whether a message has not been logged lately. The texts are Raft's
// own, a few dozen for each group.
func (w *raftWriter) isNew(text string) bool {
	key := text
	if parts := strings.SplitN(text, ": ", 3); len(parts) == 3 {
		key = parts[0] + parts[1]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.last[key]) < repeatAfter {
		return false
	}
	w.last[key] = time.Now()
	return true
}
