/* What sealing a heap does inside QuickJS: included at the end of its source (xtask/src/engine.rs). See counts.h. */

enum {
    OH_BEFORE_COLLECTION = 8 << 20,
    OH_WORTH_COLLECTING = 256 << 10,
};

/* The heap's size when it was last sealed. */
static size_t oh_sealed_size;

/* Whether much was made since the heap was sealed. */
int oh_has_grown(const JSRuntime *rt) {
    return rt->malloc_state.malloc_size > oh_sealed_size + OH_WORTH_COLLECTING;
}

static void oh_keep(const void *object) {
    int *count = &js_rc(object)->ref_count;
    if (*count > 0 && *count < OH_IMMORTAL) *count = OH_IMMORTAL;
}

/* Everything in an arena that is in use. Headers of what is not counted may hold anything: it does no harm. */
static void oh_keep_arena(const JSArena *arena) {
    uint8_t is_free[JS_ARENA_SIZE / sizeof(JSMallocBlockHeader)] = { 0 };
    size_t size = arena_block_sizes[arena->block_size_idx];
    const uint8_t *blocks = arena->blocks;
    for (uint16_t i = arena->first_free_block; i != JS_ARENA_FREE_NIL;) {
        is_free[i] = 1;
        i = ((const JSMallocBlockHeader *)(blocks + i * size))->u.free_next;
    }
    for (uint16_t i = 0; i < arena->n_blocks; i++) {
        if (!is_free[i]) oh_keep(((const JSMallocBlockHeader *)(blocks + i * size))->user_data);
    }
}

static void oh_unlink_all(struct list_head *list) {
    struct list_head *el, *next;
    list_for_each_safe(el, next, list) {
        list_del(el);
        init_list_head(el);
    }
}

/* What lives now is never freed, and what is made from now on lies together, in arenas of its own. */
void oh_seal_heap(JSRuntime *rt) {
    struct list_head *el;
    for (int i = 0; i < JS_ARENA_BLOCK_SIZE_COUNT; i++) {
        list_for_each(el, &rt->arena_state.arena_list[i]) oh_keep_arena(list_entry(el, JSArena, link));
        /* New arenas would be linked to them, too. */
        oh_unlink_all(&rt->arena_state.free_arena_list[i]);
        oh_unlink_all(&rt->arena_state.arena_list[i]);
    }
    /* What is larger than an arena's blocks. */
    for (int i = 0; i < rt->atom_size; i++) {
        if (!atom_is_free(rt->atom_array[i])) oh_keep(rt->atom_array[i]);
    }
    list_for_each(el, &rt->gc_obj_list) {
        JSGCObjectHeader *object = list_entry(el, JSGCObjectHeader, link);
        /* A shape of one object is changed in its place, which asserts that its count is 1. */
        int own = JS_GC_TYPE(object) == JS_GC_OBJ_TYPE_SHAPE && !((JSShape *)object)->is_hashed;
        if (own) js_rc(object)->ref_count = 1;
        else oh_keep(object);
    }
    /* A collection looks at every object: only a request that makes much has one. */
    oh_sealed_size = rt->malloc_state.malloc_size;
    rt->malloc_gc_threshold = oh_sealed_size + OH_BEFORE_COLLECTION;
}

/* Makes the functions of built-in objects that are else made when somebody first looks at them, by writing on
 * objects all over the heap. */
void oh_settle_heap(JSContext *ctx) {
    struct list_head *el;
    /* What is made joins the end of the list. */
    list_for_each(el, &ctx->rt->gc_obj_list) {
        JSObject *object = (JSObject *)list_entry(el, JSGCObjectHeader, link);
        if (JS_GC_TYPE(object) != JS_GC_OBJ_TYPE_JS_OBJECT) continue;
        for (int i = 0; i < object->shape->prop_count; i++) {
            JSShapeProperty *shown = &get_shape_prop(object->shape)[i];
            JSProperty *property = &object->prop[i];
            int lazy = shown->atom != JS_ATOM_NULL && (shown->flags & JS_PROP_TMASK) == JS_PROP_AUTOINIT;
            if (lazy && js_autoinit_get_id(property) == JS_AUTOINIT_ID_PROP) {
                JS_AutoInitProperty(ctx, object, shown->atom, property, shown);
            }
        }
    }
}
