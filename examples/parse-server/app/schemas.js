// The classes of this backend. A new one, or a new field, goes here: each start of the server makes
// the database so.
const everybody = { '*': true };

module.exports = [
  {
    className: 'Note',
    fields: {
      title: { type: 'String', required: true },
      attachment: { type: 'File' },
    },
    classLevelPermissions: {
      find: everybody,
      get: everybody,
      count: everybody,
      create: everybody,
      update: everybody,
      delete: everybody,
    },
  },
];
