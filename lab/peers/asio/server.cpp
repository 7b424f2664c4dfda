// Boost.Asio 1.74 (Debian 12's), after its documentation's echo examples (`async_tcp_echo_server`, C++11) and the overview
// page "Threads and Boost.Asio".
//
// A proactor on top of epoll: operations that complete with a handler. What is special:
// - One `io_context` for all threads, which is the pool that the overview page has: any of them runs any handler.
// - No strand: a connection is one chain of handlers, of which the next is not started before the last one runs.
// - A session has its buffer for as long as it lives, as in the examples.
// - Work is done in the handler of the receive, where it holds its thread.

#include "../common.h"

#include <array>
#include <boost/asio.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

// One connection. It lives for as long as an operation of its has a handler; without one, the socket closes.
class session : public std::enable_shared_from_this<session> {
public:
    session(tcp::socket socket, bool work) : socket_(std::move(socket)), work_(work) {}

    void start() {
        error_code error;
        socket_.set_option(tcp::no_delay(true), error);
        if (!error) {
            receive();
        }
    }

private:
    // Receives behind the beginning of a frame whose rest had not arrived.
    void receive() {
        socket_.async_read_some(asio::buffer(buffer_) + end_,
                                [self = shared_from_this()](error_code error, std::size_t count) {
                                    if (!error) {
                                        self->begin_ = 0;
                                        self->end_ += count;
                                        self->serve_next();
                                    }
                                });
    }

    // Sends the next of what has been received, after the work for it; if nothing is left, receives.
    void serve_next() {
        const std::size_t received = end_ - begin_;
        const std::size_t part = work_ ? std::size_t{FRAME_BYTES} : received;
        if (received == 0 || received < part) {
            std::memmove(buffer_.data(), buffer_.data() + begin_, received);
            end_ = received;
            receive();
        } else if (!work_ || serve(buffer_.data() + begin_)) {
            send(part);
        }
    }

    void send(std::size_t part) {
        asio::async_write(socket_, asio::buffer(buffer_.data() + begin_, part),
                          [self = shared_from_this()](error_code error, std::size_t count) {
                              if (!error) {
                                  self->begin_ += count;
                                  self->serve_next();
                              }
                          });
    }

    tcp::socket socket_;
    const bool work_;
    // What has been received and not sent back yet: from `begin_` to `end_`.
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::array<std::uint8_t, BUFFER_BYTES> buffer_;
};

class server {
public:
    server(asio::io_context &context, const tcp::endpoint &address, bool work)
        : acceptor_(context), pause_(context), work_(work) {
        acceptor_.open(address.protocol());
        acceptor_.set_option(tcp::acceptor::reuse_address(true));
        acceptor_.bind(address);
        acceptor_.listen(BACKLOG);
        accept();
    }

    tcp::endpoint address() const { return acceptor_.local_endpoint(); }

private:
    void accept() {
        acceptor_.async_accept([this](error_code error, tcp::socket socket) {
            if (!error) {
                std::make_shared<session>(std::move(socket), work_)->start();
            }
            if (!error || accept_again_at_once(error.value())) {
                accept();
            } else {
                accept_later();
            }
        });
    }

    void accept_later() {
        pause_.expires_after(std::chrono::milliseconds(ACCEPT_PAUSE_MS));
        pause_.async_wait([this](error_code) { accept(); });
    }

    tcp::acceptor acceptor_;
    asio::steady_timer pause_;
    const bool work_;
};

} // namespace

int main(int count, char **values) {
    arguments arguments = parse_arguments(count, values);
    raise_file_limit();
    try {
        tcp::endpoint address;
        std::memcpy(address.data(), &arguments.address, arguments.address_bytes);
        address.resize(arguments.address_bytes);

        asio::io_context context(arguments.threads);
        server server(context, address, arguments.work);
        address = server.address();
        std::memcpy(&arguments.address, address.data(), address.size());
        announce(&arguments);

        // The main thread is one of the pool, so that with one thread the process has no other.
        std::vector<std::thread> others;
        for (int i = 1; i < arguments.threads; i++) {
            others.emplace_back([&context] { context.run(); });
        }
        context.run();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
