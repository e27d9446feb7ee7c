/* Reference counts that nobody writes: included into QuickJS in the place of its own JS_REF_COUNT (xtask/src/engine.rs).
 *
 * Every request runs on a copy of a heap, of which a page is copied when it is written. Counting references
 * writes on whatever is looked at, which had most requests copy a hundred pages. So when a heap is sealed, what
 * lives in it is made immortal: its count stays, and is never compared with anything but 0 and 1. */
enum { OH_IMMORTAL = 1 << 30 };

static int oh_scratch;

static inline int *oh_count(const void *object) {
    int *count = &js_rc(object)->ref_count;
    if (__builtin_expect(*count < OH_IMMORTAL, 1)) return count;
    oh_scratch = OH_IMMORTAL;
    return &oh_scratch;
}

#define JS_REF_COUNT(p) (*oh_count(p))
