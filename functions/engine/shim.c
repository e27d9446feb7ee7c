/* The JavaScript engine as a WebAssembly reactor: QuickJS-ng behind six exports; see IMPORT for what it asks.
 *
 * Life of an image: oh_init, oh_prelude (each file), oh_settle; oh_step (a script's), oh_seal; then the memory is copied.
 * Life of a request: a copy of that memory, oh_alloc for the event, oh_handle, and the end.
 * A reply is (pointer << 32 | length); its first byte is 0 for a result and 1 for an exception. */
#include "quickjs.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(name) __attribute__((import_module("offhook"), import_name(name)))

IMPORT("log") extern void host_log(int level, const char *text, int length);
IMPORT("random") extern void host_random(void *bytes, int length);
IMPORT("ask") extern int host_ask(const char *text, int length);
IMPORT("next") extern int host_next(double milliseconds);
IMPORT("take") extern void host_take(char *text);
/* Both write to `to`, which has room for MAX_DIGEST_BYTES, and give the length; 0 for a name they do not know. */
IMPORT("digest") extern int host_digest(const char *name, int name_length, const uint8_t *bytes,
                                        int length, uint8_t *to);
IMPORT("hmac") extern int host_hmac(const char *name, int name_length, const uint8_t *key,
                                    int key_length, const uint8_t *bytes, int length, uint8_t *to);
/* The tz database's file of that name: writes at most `room` bytes of it and gives its length; 0 for no such zone. */
IMPORT("zone") extern int host_zone(const char *name, int name_length, uint8_t *to, int room);
extern void __wasm_call_ctors(void);
extern size_t malloc_usable_size(void *);
/* All in seal.c. */
extern void oh_settle_heap(JSContext *);
extern int oh_has_grown(const JSRuntime *);
extern void oh_seal_heap(JSRuntime *);

enum {
    /* Below the 512 KiB the linker reserves, so that JavaScript sees a RangeError, not a trap. */
    STACK_BYTES = 256 * 1024,
    /* Room that is mapped before the memory is copied, so that few requests have to grow it. */
    HEADROOM_BYTES = 512 * 1024,
    /* Free pieces that are looked for, each half as large as the one before. */
    LARGEST_PIECE = 64 * 1024,
    SMALLEST_PIECE = 64,
    /* The allocator's word before each piece; and what is left when the largest piece that it can give at its end is
     * given, its own 56 bytes included: too little for any other piece to lie there. */
    PIECE_HEAD = 4,
    END_BYTES = 68,
    /* What the function that runs has on the stack. */
    RED_ZONE = 1024,
    MAX_RANDOM_BYTES = 1024,
    /* SHA-512. */
    MAX_DIGEST_BYTES = 64,
    /* Twice the longest file of the tz database in its slim form. */
    MAX_ZONE_BYTES = 4096,
    /* What a log says of them; more have the same reason. */
    MAX_LOST = 8,
    /* Jobs after the result, for promises that were rejected until somebody listens; few wait for so many. */
    MAX_LATE_JOBS = 64,
};

static JSRuntime *runtime;
static JSContext *context;
static JSValue handle_function, pump_function, result;
/* The first promises that were rejected while nobody listened, and why. */
static struct { JSValue promise, reason; } lost[MAX_LOST];
static int lost_count;
static int has_result;
static char *reply;
static size_t reply_capacity;

static uint64_t give(char kind, const char *text, size_t length) {
    if (length + 1 > reply_capacity) {
        free(reply);
        reply_capacity = length + 64;
        reply = malloc(reply_capacity);
        if (!reply) __builtin_trap();
    }
    reply[0] = kind;
    memcpy(reply + 1, text, length);
    return ((uint64_t)(uintptr_t)reply << 32) | (uint32_t)(length + 1);
}

static uint64_t give_value(char kind, JSValueConst value) {
    size_t length;
    const char *text = JS_ToCStringLen(context, &length, value);
    if (!text) {
        static const char unprintable[] = "exception that cannot be printed";
        JS_FreeValue(context, JS_GetException(context));
        return give(1, unprintable, sizeof unprintable - 1);
    }
    uint64_t given = give(kind, text, length);
    JS_FreeCString(context, text);
    return given;
}

/* "Name: message" and, after a line end, the stack; both are in the stack by the prelude's doing. */
static uint64_t give_exception(void) {
    JSValue error = JS_GetException(context);
    JSValue stack = JS_IsError(error) ? JS_GetPropertyStr(context, error, "stack") : JS_UNDEFINED;
    uint64_t given = give_value(1, JS_IsString(stack) ? stack : error);
    JS_FreeValue(context, stack);
    JS_FreeValue(context, error);
    return given;
}

static JSValue js_log(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    int level = 0;
    size_t length;
    JS_ToInt32(c, &level, arguments[0]);
    const char *text = JS_ToCStringLen(c, &length, arguments[1]);
    if (!text) return JS_EXCEPTION;
    host_log(level, text, (int)length);
    JS_FreeCString(c, text);
    return JS_UNDEFINED;
}

static JSValue js_random(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    uint8_t bytes[MAX_RANDOM_BYTES];
    int length = 0;
    JS_ToInt32(c, &length, arguments[0]);
    if (length < 0 || length > MAX_RANDOM_BYTES) return JS_ThrowRangeError(c, "too many bytes");
    host_random(bytes, length);
    return JS_NewArrayBufferCopy(c, bytes, length);
}

/* (name, bytes), or (name, key, bytes), of which `key` and `bytes` are Uint8Arrays. */
static JSValue js_digest(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    uint8_t to[MAX_DIGEST_BYTES];
    size_t name_length, key_length = 0, length;
    int made, keyed = count > 2;
    const uint8_t *key = keyed ? JS_GetUint8Array(c, &key_length, arguments[1]) : NULL;
    if (keyed && !key) return JS_EXCEPTION;
    const uint8_t *bytes = JS_GetUint8Array(c, &length, arguments[keyed ? 2 : 1]);
    if (!bytes) return JS_EXCEPTION;
    const char *name = JS_ToCStringLen(c, &name_length, arguments[0]);
    if (!name) return JS_EXCEPTION;
    if (keyed) made = host_hmac(name, (int)name_length, key, (int)key_length, bytes, (int)length, to);
    else made = host_digest(name, (int)name_length, bytes, (int)length, to);
    JS_FreeCString(c, name);
    return made ? JS_NewArrayBufferCopy(c, to, made) : JS_ThrowTypeError(c, "unknown digest");
}

static JSValue js_zone(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    uint8_t to[MAX_ZONE_BYTES];
    size_t name_length;
    const char *name = JS_ToCStringLen(c, &name_length, arguments[0]);
    if (!name) return JS_EXCEPTION;
    int length = host_zone(name, (int)name_length, to, sizeof to);
    JS_FreeCString(c, name);
    if (length < 0 || length > MAX_ZONE_BYTES) return JS_ThrowRangeError(c, "zone too large");
    return length ? JS_NewArrayBufferCopy(c, to, length) : JS_UNDEFINED;
}

/* Begins an operation; its number comes back with its answer. */
static JSValue js_ask(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    size_t length;
    const char *text = JS_ToCStringLen(c, &length, arguments[0]);
    if (!text) return JS_EXCEPTION;
    int number = host_ask(text, (int)length);
    JS_FreeCString(c, text);
    return JS_NewInt32(c, number);
}

/* The answer of an operation that ended, or undefined when so long passed without one. */
static JSValue js_wait(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    double milliseconds = 0;
    JS_ToFloat64(c, &milliseconds, arguments[0]);
    int length = host_next(milliseconds);
    if (length < 0) return JS_UNDEFINED;
    char *text = js_malloc(c, (size_t)length + 1);
    if (!text) return JS_EXCEPTION;
    host_take(text);
    JSValue answer = JS_NewStringLen(c, text, length);
    js_free(c, text);
    return answer;
}

/* The number of what kind of object it is, whatever its prototype says; 0 for other values. */
static JSValue js_kind(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    return JS_NewInt32(c, JS_IsObject(arguments[0]) ? (int)JS_GetClassID(arguments[0]) : 0);
}

enum { XML_CONTENT, XML_ATTRIBUTE, XML_NAME };

/* What stands for a character that may not stand for itself, or NULL. */
static const char *xml_reference(char c, int kind) {
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return kind == XML_CONTENT ? "&gt;" : NULL;
    case '"': return kind == XML_ATTRIBUTE ? "&quot;" : NULL;
    case '\t': return kind == XML_ATTRIBUTE ? "&#x9;" : NULL;
    case '\n': return kind == XML_ATTRIBUTE ? "&#xA;" : NULL;
    case '\r': return "&#xD;";
    default: return NULL;
    }
}

static int is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

static int is_xml(char c, int kind, size_t at) {
    if (kind != XML_NAME) return (c >= ' ' && (uint8_t)c < 0x80) || c == '\t' || c == '\n' || c == '\r';
    return is_letter(c) || c == '_' || c == ':' || (at && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

/* (text, kind): the text as it stands in a document, if it is ASCII and may stand there (XML 1.0 sections 2.2
 * and 2.4); else undefined, for the prelude to look at it closely. Most texts are, and regular expressions slow. */
static JSValue js_xml(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    int kind = XML_CONTENT;
    size_t length, made = 0;
    JS_ToInt32(c, &kind, arguments[1]);
    const char *text = JS_ToCStringLen(c, &length, arguments[0]);
    if (!text) return JS_EXCEPTION;
    JSValue given = JS_UNDEFINED;
    for (size_t i = 0; i < length; i++) {
        if (!is_xml(text[i], kind, i)) goto done;
        const char *reference = xml_reference(text[i], kind);
        made += reference ? strlen(reference) : 1;
    }
    if (kind == XML_NAME && !length) goto done;
    if (made == length) {
        given = JS_DupValue(c, arguments[0]);
        goto done;
    }
    /* One more, for the end that stpcpy writes. */
    char *to = js_malloc(c, made + 1), *end = to;
    if (!to) {
        given = JS_EXCEPTION;
        goto done;
    }
    for (size_t i = 0; i < length; i++) {
        const char *reference = xml_reference(text[i], kind);
        if (reference) end = stpcpy(end, reference);
        else *end++ = text[i];
    }
    given = JS_NewStringLen(c, to, made);
    js_free(c, to);
done:
    JS_FreeCString(c, text);
    return given;
}

/* The first result counts; jobs that are still waiting then are left alone. */
static JSValue js_done(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    if (!has_result) {
        result = JS_DupValue(c, arguments[0]);
        has_result = 1;
    }
    return JS_UNDEFINED;
}

static void find(int at) {
    JS_FreeValue(context, lost[at].promise);
    JS_FreeValue(context, lost[at].reason);
    lost_count--;
    memmove(&lost[at], &lost[at + 1], (size_t)(lost_count - at) * sizeof lost[0]);
}

static void track(JSContext *c, JSValueConst promise, JSValueConst reason, bool handled, void *opaque) {
    if (!handled && lost_count < MAX_LOST) {
        lost[lost_count].promise = JS_DupValue(c, promise);
        lost[lost_count++].reason = JS_DupValue(c, reason);
    }
    for (int i = 0; handled && i < lost_count; i++) {
        if (JS_IsStrictEqual(c, promise, lost[i].promise)) return find(i);
    }
}

/* (promise): why promises were rejected that nobody listens to, and that one if it was; each is told once. */
static JSValue js_lost(JSContext *c, JSValueConst this, int count, JSValueConst *arguments) {
    JSValue array = JS_NewArray(c);
    uint32_t length = 0;
    while (lost_count) {
        JS_SetPropertyUint32(c, array, length++, JS_DupValue(c, lost[0].reason));
        find(0);
    }
    if (JS_PromiseState(c, arguments[0]) == JS_PROMISE_REJECTED) {
        JS_SetPropertyUint32(c, array, length, JS_PromiseResult(c, arguments[0]));
    }
    return array;
}

static void define(JSValueConst object, const char *name, JSCFunction *function, int arity) {
    JS_SetPropertyStr(context, object, name, JS_NewCFunction(context, function, name, arity));
}

static void run_jobs(void) {
    JSContext *job_context;
    while (!has_result) {
        int ran = JS_ExecutePendingJob(runtime, &job_context);
        if (ran == 0) return;
        if (ran < 0) JS_FreeValue(job_context, JS_GetException(job_context));
    }
}

#include "modules.c"

EXPORT("oh_alloc") void *oh_alloc(int length) { return malloc(length); }

static size_t js_size_for(const void *bytes) { return malloc_usable_size((void *)bytes); }
static void *js_calloc_for(void *opaque, size_t count, size_t size) { return calloc(count, size); }
static void *js_malloc_for(void *opaque, size_t size) { return malloc(size); }
static void js_free_for(void *opaque, void *bytes) { free(bytes); }
static void *js_realloc_for(void *opaque, void *bytes, size_t size) { return realloc(bytes, size); }

/* As the engine's own, which has no sizes here: without them collections come by the number of blocks alone. */
static const JSMallocFunctions allocator = {
    js_calloc_for, js_malloc_for, js_free_for, js_realloc_for,
    js_size_for,
};

EXPORT("oh_init") int oh_init(void) {
    __wasm_call_ctors();
    runtime = JS_NewRuntime2(&allocator, NULL);
    if (!runtime) return 1;
    JS_SetMaxStackSize(runtime, STACK_BYTES);
    context = JS_NewContext(runtime);
    if (!context) return 2;
    handle_function = pump_function = result = JS_UNDEFINED;
    JS_SetHostPromiseRejectionTracker(runtime, track, NULL);
    JSValue global = JS_GetGlobalObject(context), host = JS_NewObject(context);
    define(host, "log", js_log, 2);
    define(host, "random", js_random, 1);
    define(host, "ask", js_ask, 1);
    define(host, "digest", js_digest, 2);
    define(host, "hmac", js_digest, 3);
    define(host, "zone", js_zone, 1);
    define(host, "xml", js_xml, 2);
    define(host, "kind", js_kind, 1);
    define(host, "wait", js_wait, 1);
    define(host, "done", js_done, 1);
    define(host, "lost", js_lost, 1);
    init_modules(host);
    JS_SetPropertyStr(context, global, "__host", host);
    JS_FreeValue(context, global);
    return 0;
}

/* Runs code and gives its exception or nothing. */
static uint64_t finish(JSValue value) {
    if (JS_IsException(value)) return give_exception();
    JS_FreeValue(context, value);
    run_jobs();
    return give(0, "", 0);
}

/* What came through oh_alloc is of no use any more; zeroed, it is no part of the image either. */
static void discard(char *text, size_t length) {
    memset(text, 0, length);
    free(text);
}

/* Has the prelude do the next step of a deployment, `name`, with that text. Both end with a NUL and are discarded. */
EXPORT("oh_step") uint64_t oh_step(char *name, char *text, int length) {
    JSValue argument = JS_NewStringLen(context, text, length);
    JSValue value = ask_prelude(context, name, 1, &argument);
    JS_FreeValue(context, argument);
    discard(text, length);
    discard(name, strlen(name));
    return finish(value);
}

/* Evaluates a file of the prelude: keeps no source text, which would make up half of the image. */
EXPORT("oh_prelude") uint64_t oh_prelude(char *name, char *source, int length) {
    JSEvalOptions options = {
        .version = JS_EVAL_OPTIONS_VERSION,
        .eval_flags = JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY,
        .filename = name,
        .line_num = 1,
    };
    size_t size;
    JSValue code = JS_Eval2(context, source, length, &options);
    discard(source, length);
    discard(name, strlen(name));
    if (JS_IsException(code)) return give_exception();
    uint8_t *bytes =
        JS_WriteObject(context, &size, code, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    JS_FreeValue(context, code);
    if (!bytes) return give_exception();
    code = JS_ReadObject(context, bytes, size, JS_READ_OBJ_BYTECODE);
    memset(bytes, 0, size);
    js_free(context, bytes);
    if (JS_IsException(code)) return give_exception();
    return finish(JS_EvalFunction(context, code));
}

/* Zeroes what is free behind everything in use: pieces that lay there left their sizes, as does the allocator at its
 * very end, which it never reads. An image reaches from its first page that is not zero to its last. */
static void tidy_end(void) {
    uint8_t *limit = (uint8_t *)(uintptr_t)(__builtin_wasm_memory_size(0) << 16);
    uint8_t *rest = malloc(HEADROOM_BYTES);
    if (!rest) return;
    uint8_t *behind = rest + malloc_usable_size(rest) + PIECE_HEAD;
    /* Only where all is free up to the end do these two lie one behind the other. */
    uint8_t *more = limit - behind > END_BYTES ? malloc(limit - behind - END_BYTES) : 0;
    int is_end = more == behind;
    free(more);
    free(rest);
    /* A compiler need not keep what is written on what is free. */
    __asm__ volatile("" : "+r"(rest));
    if (is_end) memset(rest, 0, limit - rest);
}

/* Takes what is free between what is in use, and makes it and the stack below this call zero: so it is no part of the
 * image, and what is made from now on lies together at the end. */
static void tidy(void) {
    uint8_t *end = malloc(HEADROOM_BYTES);
    for (size_t size = LARGEST_PIECE; end && size >= SMALLEST_PIECE; size /= 2) {
        uint8_t *hole;
        while ((hole = malloc(size)) && hole < end) memset(hole, 0, size);
        free(hole);
    }
    free(end);
    tidy_end();
    /* The linker puts the stack first; nothing is at its very end, address 0. */
    char *low = (char *)(uintptr_t)RED_ZONE, *here = __builtin_frame_address(0);
    if (here > low + RED_ZONE) memset(low, 0, here - RED_ZONE - low);
}

/* After the prelude, and before any script, which does not see `__host`: the prelude alone has it. What lives now is
 * the same for all scripts. */
EXPORT("oh_settle") void oh_settle(void) {
    JSValue global = JS_GetGlobalObject(context);
    JSAtom name = JS_NewAtom(context, "__host");
    JS_DeleteProperty(context, global, name, 0);
    JS_FreeAtom(context, name);
    JS_FreeValue(context, global);
    oh_settle_heap(context);
    JS_RunGC(runtime);
    oh_seal_heap(runtime);
    tidy();
}

/* The prelude leaves its two entry points in `__host`. */
EXPORT("oh_seal") int oh_seal(void) {
    handle_function = JS_GetPropertyStr(context, prelude, "handle");
    pump_function = JS_GetPropertyStr(context, prelude, "pump");
    while (lost_count) find(0);
    /* A small script leaves little behind, and a collection looks at all that the prelude made. */
    if (oh_has_grown(runtime)) JS_RunGC(runtime);
    oh_seal_heap(runtime);
    tidy();
    return JS_IsFunction(context, handle_function) && JS_IsFunction(context, pump_function) ? 0 : 1;
}

/* What failed besides is logged, once what was begun had its chance to listen: the last that a run does. */
static void tell_lost(void) {
    JSContext *job_context;
    for (int ran = 0, late = lost_count ? MAX_LATE_JOBS : 0; ran < late; ran++) {
        int more = JS_ExecutePendingJob(runtime, &job_context);
        if (more == 0) break;
        if (more < 0) JS_FreeValue(job_context, JS_GetException(job_context));
    }
    JSValue value = JS_Call(context, pump_function, JS_UNDEFINED, 0, NULL);
    if (JS_IsException(value)) value = JS_GetException(context);
    JS_FreeValue(context, value);
}

/* Calls the handler, then runs promise jobs and timers until it has given a result. */
EXPORT("oh_handle") uint64_t oh_handle(const char *event, int length) {
    JSValue argument = JS_NewStringLen(context, event, length);
    JSValue value = JS_Call(context, handle_function, JS_UNDEFINED, 1, &argument);
    JS_FreeValue(context, argument);
    for (;;) {
        if (JS_IsException(value)) return give_exception();
        JS_FreeValue(context, value);
        run_jobs();
        if (has_result) {
            tell_lost();
            return give_value(0, result);
        }
        value = JS_Call(context, pump_function, JS_UNDEFINED, 0, NULL);
    }
}
