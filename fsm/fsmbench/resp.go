package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// redisClient speaks as much of Redis's protocol (RESP2) as a pipeline of ZADDs needs.
type redisClient struct {
	connection net.Conn
	replies    *bufio.Reader
	request    []byte
}

func newRedisClient(c net.Conn) *redisClient {
	return &redisClient{connection: c, replies: bufio.NewReaderSize(c, 64<<10)}
}

func (c *redisClient) close() { c.connection.Close() }

// begin begins a command of so many words.
func (c *redisClient) begin(words int) {
	c.request = append(c.request, '*')
	c.request = strconv.AppendInt(c.request, int64(words), 10)
	c.request = append(c.request, "\r\n"...)
}

// word adds one word to the command.
func (c *redisClient) word(word []byte) {
	c.request = append(c.request, '$')
	c.request = strconv.AppendInt(c.request, int64(len(word)), 10)
	c.request = append(c.request, "\r\n"...)
	c.request = append(c.request, word...)
	c.request = append(c.request, "\r\n"...)
}

// send sends the commands begun and returns the sum of their integer replies, one each.
func (c *redisClient) send(commands int) (sum int64, err error) {
	if _, err := c.connection.Write(c.request); err != nil {
		return 0, fmt.Errorf("sending to Redis: %w", err)
	}
	c.request = c.request[:0]
	for range commands {
		line, err := c.line()
		if err != nil {
			return sum, err
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(line, ":"), 10, 64)
		if err != nil {
			return sum, fmt.Errorf("an answer of Redis: %w", err)
		}
		sum += n
	}
	return sum, nil
}

// line reads one line of a reply.
func (c *redisClient) line() (string, error) {
	line, err := c.replies.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("reading from Redis: %w", err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	if strings.HasPrefix(line, "-") {
		return "", errors.New("redis refused: " + line[1:])
	}
	return line, nil
}

// info returns a field of INFO's section, a number.
func (c *redisClient) info(section, field string) (int64, error) {
	c.begin(2)
	c.word([]byte("INFO"))
	c.word([]byte(section))
	if _, err := c.connection.Write(c.request); err != nil {
		return 0, fmt.Errorf("sending to Redis: %w", err)
	}
	c.request = c.request[:0]
	head, err := c.line()
	if err != nil {
		return 0, err
	}
	length, err := strconv.Atoi(strings.TrimPrefix(head, "$"))
	if err != nil {
		return 0, fmt.Errorf("an answer of Redis: %w", err)
	}
	text := make([]byte, length+2)
	if _, err := io.ReadFull(c.replies, text); err != nil {
		return 0, fmt.Errorf("reading from Redis: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("INFO %s has no %s", section, field)
}
