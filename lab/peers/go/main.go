// Go 1.19 (Debian 12's) with its standard library only, after the example in the documentation of package net: a
// goroutine for each connection, which reads and writes as if that blocked.
//
// Readiness from epoll, out of sight, and goroutines that the runtime schedules. What is special:
//   - --threads is GOMAXPROCS: the threads that run goroutines at one time. Threads in system calls are beside them.
//   - A goroutine has its buffer for as long as its connection lives, as the documentation of package io has it.
//   - kind 1 is time.Sleep, as that is what a Go programmer writes: it blocks the goroutine and no thread. So where others
//     show what a blocked thread costs them, Go shows that it has none.
//   - Connections have TCP_NODELAY and keep-alive from package net, which sets both unless told otherwise.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const (
	bufferBytes = 16 * 1024
	// Connections that the system holds until they are accepted. Enough for a load that opens thousands at once.
	backlog    = 4096
	frameBytes = 16
	// No frame may ask for longer.
	serviceUsMax = 10_000_000
	// More threads than this are a mistake.
	threadsMax = 1024
	// How long to wait before accepting again when no more files may be opened: at once, it would only fail again.
	acceptPause = 100 * time.Millisecond

	// From clock_gettime(2).
	clockThreadCPUTime = 3
)

type arguments struct {
	address *net.TCPAddr
	work    bool
	threads int
}

func main() {
	arguments := parseArguments(os.Args[1:])
	runtime.GOMAXPROCS(arguments.threads)
	raiseFileLimit()
	network := "tcp6"
	if arguments.address.IP.To4() != nil {
		network = "tcp4"
	}
	listener, err := net.ListenTCP(network, arguments.address)
	if err != nil {
		fail(err)
	}
	setBacklog(listener)
	fmt.Printf("listening on %v\n", listener.Addr())

	answer := echo
	if arguments.work {
		answer = work
	}
	told := false
	for {
		connection, err := listener.Accept()
		if err == nil {
			go serve(connection, answer)
			continue
		}
		// What concerns a single connection, package net has dealt with.
		if !told {
			told = true
			fmt.Fprintf(os.Stderr, "warning: %v; it is tried again, and not told again\n", err)
		}
		time.Sleep(acceptPause)
	}
}

// Serves one connection until it ends, or breaks.
func serve(connection net.Conn, answer func(net.Conn, []byte) (int, error)) {
	defer connection.Close()
	buffer := make([]byte, bufferBytes)
	rest := 0
	for {
		count, err := connection.Read(buffer[rest:])
		if err != nil {
			return
		}
		received := buffer[:rest+count]
		taken, err := answer(connection, received)
		if err != nil {
			return
		}
		// The beginning of a frame goes before what is read next, so that it is in one piece.
		rest = copy(buffer, received[taken:])
	}
}

// Sends all of it back.
func echo(connection net.Conn, received []byte) (int, error) {
	return connection.Write(received)
}

// Serves the frames that are whole. Returns how many bytes they were.
func work(connection net.Conn, received []byte) (int, error) {
	taken := 0
	for taken+frameBytes <= len(received) {
		frame := received[taken : taken+frameBytes]
		if err := serveFrame(frame); err != nil {
			return taken, err
		}
		if _, err := connection.Write(frame); err != nil {
			return taken, err
		}
		taken += frameBytes
	}
	return taken, nil
}

var errNotOfTheProtocol = errors.New("the frame is not of the work protocol")

// Does what a frame asks for: `id: u64`, `service_us: u32`, `kind: u8` (0 spin, 1 sleep) and 3 bytes that are zero,
// little-endian.
func serveFrame(frame []byte) error {
	us := binary.LittleEndian.Uint32(frame[8:])
	kind := frame[12]
	if kind > 1 || frame[13]|frame[14]|frame[15] != 0 || us > serviceUsMax {
		return errNotOfTheProtocol
	}
	service := time.Duration(us) * time.Microsecond
	if kind == 1 {
		time.Sleep(service)
	} else {
		spin(service)
	}
	return nil
}

// Computes until the thread has used so much processor time.
func spin(service time.Duration) {
	// The clock is the thread's, and the runtime could move the goroutine to another in the middle.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end := processorTime() + service; processorTime() < end; {
	}
}

// The processor time that the calling thread has used.
func processorTime() time.Duration {
	var now syscall.Timespec
	// Raw: it does not block, so the scheduler need not hear of it. It can't fail with this clock.
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockThreadCPUTime, uintptr(unsafe.Pointer(&now)), 0)
	return time.Duration(now.Nano())
}

// Raises the soft limit of open files to the hard one.
func raiseFileLimit() {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		fail(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		fail(err)
	}
}

// Package net takes the system's greatest backlog. Listening again changes it, and nothing else.
func setBacklog(listener *net.TCPListener) {
	raw, err := listener.SyscallConn()
	if err != nil {
		fail(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.Listen(int(fd), backlog) })
	if err != nil {
		fail(err)
	}
	if failed != nil {
		fail(failed)
	}
}

func parseArguments(values []string) arguments {
	parsed := arguments{threads: 1}
	for len(values) > 0 {
		name := values[0]
		if name != "--listen" && name != "--app" && name != "--threads" {
			refuse("unknown argument " + name)
		}
		if len(values) == 1 {
			refuse("a value is missing after " + name)
		}
		value := values[1]
		values = values[2:]
		switch name {
		case "--listen":
			parsed.address = parseAddress(value)
		case "--app":
			parsed.work = value == "work"
			if !parsed.work && value != "echo" {
				refuse("--app takes echo or work, not " + value)
			}
		case "--threads":
			threads, err := strconv.Atoi(value)
			if err != nil || threads < 1 || threads > threadsMax {
				refuse("--threads takes a number from 1 to 1024, not " + value)
			}
			parsed.threads = threads
		}
	}
	if parsed.address == nil {
		refuse("--listen is missing")
	}
	return parsed
}

// Names are not looked up.
func parseAddress(text string) *net.TCPAddr {
	host, port, err := net.SplitHostPort(text)
	ip := net.ParseIP(host)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || ip == nil || portErr != nil {
		refuse("--listen takes ADDRESS:PORT, in numbers, not " + text)
	}
	return &net.TCPAddr{IP: ip, Port: int(number)}
}

// Ends the process because of its arguments.
func refuse(what string) {
	fmt.Fprintf(os.Stderr, "error: %s\nusage: --listen ADDRESS:PORT [--app echo|work] [--threads N]\n", what)
	os.Exit(2)
}

// Ends the process because the system refuses something.
func fail(err error) {
	fmt.Fprintf(os.Stderr, "error: %v\n", err)
	os.Exit(1)
}
