// Values that outlive an invocation: Offhook.store, and Sync's documents, maps and lists on it.
(function (global, host) {
  'use strict';
  const { ask, located } = host.kit;

  const entry = (key) => ask({ op: 'kv.get', key: String(key) });
  const set = (key, value, { ttl, revision } = {}) => {
    if (value === undefined) throw new TypeError('a value that is undefined cannot be kept');
    return ask({ op: 'kv.set', key: String(key), value, ttl, revision });
  };
  const store = {
    // {value, revision}, or undefined where there is none.
    entry: async (key) => (await entry(key)) || undefined,
    get: async (key) => { const found = await entry(key); return found ? found.value : undefined; },
    set: async (key, value, options) => set(key, value, options),
    delete: (key) => ask({ op: 'kv.delete', key: String(key) }),
    clear: (prefix) => ask({ op: 'kv.delete', prefix: String(prefix) }),
    list: (prefix = '', { after = '', limit } = {}) => ask({ op: 'kv.list', prefix, after, limit }),
    // Sets what `change` makes of the value there; again when somebody else was quicker.
    update: async (key, change, options = {}) => {
      for (;;) {
        const found = await entry(key);
        const value = await change(found ? found.value : undefined);
        try {
          await set(key, value, { ...options, revision: found ? found.revision : 0 });
          return value;
        } catch (error) {
          if (error.name !== 'Conflict') throw error;
        }
      }
    },
  };
  for (const name in store) store[name] = located(store[name]);
  global.Offhook = { store };

  const restError = (status, code, message) => Object.assign(new Error(message), {
    name: 'RestException', status, code, moreInfo: 'https://www.twilio.com/docs/errors/' + code,
  });
  const notFound = (path) => restError(404, 20404, 'The requested resource ' + path + ' was not found');
  const sidOf = (prefix) => prefix +
    [...new Uint8Array(host.random(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const expiry = (ttl) => (ttl > 0 ? new Date(Date.now() + ttl * 1000).toISOString() : null);

  // One record of Sync at one key. `own` is what is its own besides the data: uniqueName, key, index.
  const recordAt = (key, path, extend = () => ({})) => {
    const shown = ({ value, revision }) => {
      const dates = {};
      for (const name of ['dateCreated', 'dateUpdated', 'dateExpires']) {
        dates[name] = value[name] ? new Date(value[name]) : null;
      }
      return { ...value, ...dates, revision: String(revision), ...context };
    };
    const put = async (value, ttl, revision, code) => {
      try {
        return shown({ value, ...await set(key, value, { ttl, revision }) });
      } catch (error) {
        if (error.name !== 'Conflict') throw error;
        throw revision === 0
          ? restError(409, code, 'Unique name already exists')
          : restError(412, 54103, 'The revision of the object does not match');
      }
    };
    const fetch = async () => {
      const found = await entry(key);
      if (!found) throw notFound(path);
      return found;
    };
    const context = {
      fetch: located(async () => shown(await fetch())),
      update: located(async ({ data, ttl, itemTtl, collectionTtl, ifMatch } = {}) => {
        for (;;) {
          const { value, revision } = await fetch();
          if (ifMatch !== undefined && String(ifMatch) !== String(revision)) {
            throw restError(412, 54103, 'The revision of the object does not match');
          }
          const lasts = ttl !== undefined ? ttl : itemTtl !== undefined ? itemTtl : collectionTtl;
          const left = value.dateExpires ? (Date.parse(value.dateExpires) - Date.now()) / 1000 : 0;
          const next = { ...value, dateUpdated: new Date().toISOString() };
          if (data !== undefined) next.data = data;
          if (lasts !== undefined) next.dateExpires = expiry(lasts);
          try {
            return await put(next, lasts !== undefined ? lasts : left, revision);
          } catch (error) {
            if (error.status !== 412 || ifMatch !== undefined) throw error;
          }
        }
      }),
      remove: located(async () => {
        const gone = await store.delete(key);
        if (!gone) throw notFound(path);
        return true;
      }),
      ...extend(),
    };
    const create = (own, ttl, code) => {
      const now = new Date().toISOString();
      const value = { ...own, dateCreated: now, dateUpdated: now, dateExpires: expiry(ttl) };
      return put(value, ttl, 0, code);
    };
    return { context, create, shown };
  };

  const part = (text) => encodeURIComponent(String(text));
  // A kind of thing with a unique name: `things(name)`, `things.create`, `things.list`.
  const collection = (root, path, sidPrefix, codes, extend) => {
    const at = (name) => recordAt(root + part(name), path + '/' + name, () => extend(name));
    const things = (name) => at(name).context;
    things.create = located(async ({ uniqueName, data, ttl, collectionTtl } = {}) => {
      const sid = sidOf(sidPrefix);
      const name = uniqueName === undefined ? sid : String(uniqueName);
      const own = { sid, uniqueName: uniqueName === undefined ? null : name };
      if (sidPrefix === 'ET') own.data = data === undefined ? {} : data;
      return at(name).create(own, ttl !== undefined ? ttl : collectionTtl, codes);
    });
    things.list = located(async ({ limit } = {}) => (await store.list(root, { limit }))
      .map((found) => at(decodeURIComponent(found.key.slice(root.length))).shown(found)));
    return things;
  };

  const getSync = (options = {}) => {
    const service = (options && options.serviceName) || 'default';
    const base = 'sync/' + part(service) + '/';
    const path = '/Services/' + service;
    const documents = collection(base + 'documents/', path + '/Documents', 'ET', 54301, () => ({}));

    // Items lie under a root of their own, so that listing the maps does not list them.
    const items = (kind, name, idOf, code) => {
      const own = base + kind + '-items/' + part(name) + '/';
      const where = path + '/' + kind + '/' + name;
      const at = (id) => recordAt(own + part(idOf(id)), where + '/Items/' + id);
      const list = (id) => at(id).context;
      list.list = async ({ limit } = {}) => (await store.list(own, { limit })).map((found) =>
        at(found.value.key !== undefined ? found.value.key : found.value.index).shown(found));
      return { own, where, at, list, code };
    };
    const withItems = (kind, sidPrefix, member, idOf, addTo) => {
      const make = (name) => {
        const made = items(kind, name, idOf, 54208);
        made.list.create = located((fields) => addTo(made, base + kind + '/' + part(name), fields || {}));
        return made;
      };
      return collection(base + kind + '/', path + '/' + kind, sidPrefix, 54301, (name) => {
        const made = make(name);
        return {
          [member]: made.list,
          remove: located(async () => {
            const gone = await store.delete(base + kind + '/' + part(name));
            if (!gone) throw notFound(made.where);
            await store.clear(made.own);
            return true;
          }),
        };
      });
    };
    const syncMaps = withItems('Maps', 'MP', 'syncMapItems', String, async (made, map, { key, data, ttl, itemTtl }) => {
      if (!(await entry(map))) throw notFound(made.where);
      const lasts = ttl !== undefined ? ttl : itemTtl;
      return made.at(key).create({ key: String(key), data }, lasts, made.code);
    });
    // Fixed width, so that the order of keys is that of indexes.
    const padded = (index) => String(index).padStart(12, '0');
    const syncLists = withItems('Lists', 'ES', 'syncListItems', padded, async (made, list, { data, ttl, itemTtl }) => {
      let index = 0;
      await store.update(list, (value) => {
        if (!value) throw notFound(made.where);
        index = value.next || 0;
        return { ...value, next: index + 1 };
      });
      const lasts = ttl !== undefined ? ttl : itemTtl;
      return made.at(index).create({ index, data }, lasts, made.code);
    });
    return { documents, syncMaps, syncLists, maps: syncMaps, lists: syncLists, serviceName: service };
  };
  Object.assign(host.kit, { getSync, restError });
})(globalThis, globalThis.__host);
