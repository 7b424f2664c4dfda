/* Concurrency::concurrent_queue. */
#ifndef WHARF_WIN32_CONCURRENT_QUEUE_H
#define WHARF_WIN32_CONCURRENT_QUEUE_H

#ifdef __cplusplus
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

namespace Concurrency {

template <class Type>
class concurrent_queue {
public:
    typedef Type value_type;
    typedef size_t size_type;

    void push(const Type &item) {
        std::lock_guard<std::mutex> lock(mutex);
        items.push_back(item);
    }
    void push(Type &&item) {
        std::lock_guard<std::mutex> lock(mutex);
        items.push_back(std::move(item));
    }
    bool try_pop(Type &item) {
        std::lock_guard<std::mutex> lock(mutex);
        if (items.empty())
            return false;
        item = std::move(items.front());
        items.pop_front();
        return true;
    }
    bool empty() const {
        std::lock_guard<std::mutex> lock(mutex);
        return items.empty();
    }
    size_type unsafe_size() const {
        std::lock_guard<std::mutex> lock(mutex);
        return items.size();
    }
    void clear() {
        std::lock_guard<std::mutex> lock(mutex);
        items.clear();
    }

private:
    mutable std::mutex mutex;
    std::deque<Type> items;
};

} // namespace Concurrency
namespace concurrency = Concurrency;
#endif

#endif
