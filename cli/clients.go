package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"headcount/pgsink"
	"headcount/tools"
)

const healthcheckTimeout = 3 * time.Second

func seed(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("seed", flag.ContinueOnError)
	url := f.String("url", "http://127.0.0.1:8000", "a node's `URL`, or several separated by commas")
	users := f.Int("users", 0, "how many users to post; 0: a random number up to 1,000")
	if err := parse(f, args, errs); err != nil {
		return err
	}
	return tools.Seed(ctx, tools.SeedOptions{URL: *url, Users: *users, Out: out})
}

func status(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("status", flag.ContinueOnError)
	url := f.String("url", "http://127.0.0.1:8000", "a node's `URL`, or several separated by commas")
	if err := parse(f, args, errs); err != nil {
		return err
	}
	return tools.Status(ctx, *url, out)
}

// postgresURLVariable names the environment variable with PostgreSQL's URL, so that
// its password need not be in a file or on a command line.
const postgresURLVariable = "HEADCOUNT_POSTGRES_URL"

func migrate(ctx context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 0 || args[0] != "up" && args[0] != "down" {
		return wrongUsage("say which way: migrate up, or migrate down")
	}
	f := flag.NewFlagSet("migrate "+args[0], flag.ContinueOnError)
	url := f.String("url", os.Getenv(postgresURLVariable), "PostgreSQL's `URL` (default: $"+postgresURLVariable+")")
	steps := f.Int("steps", 1, "how many versions to go down")
	if err := parse(f, args[1:], errs); err != nil {
		return err
	}
	if *url == "" {
		return wrongUsage("no PostgreSQL: give --url, or set %s", postgresURLVariable)
	}
	var err error
	if args[0] == "up" {
		err = pgsink.MigrateUp(ctx, *url)
	} else {
		err = pgsink.MigrateDown(ctx, *url, *steps)
	}
	if err != nil {
		return err
	}
	at, err := pgsink.SchemaVersion(ctx, *url)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "the schema is at version %d\n", at)
	return err
}

func healthcheck(ctx context.Context, args []string, out, errs io.Writer) error {
	f := flag.NewFlagSet("healthcheck", flag.ContinueOnError)
	url := f.String("url", "http://127.0.0.1:8000/readyz", "the `URL` to ask")
	if err := parse(f, args, errs); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, *url, nil)
	if err != nil {
		return wrongUsage("%v", err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(reply.Body, 4096)) // what there is of it helps
		return fmt.Errorf("%s: %s", reply.Status, body)
	}
	_, err = fmt.Fprintln(out, "ok")
	return err
}
