// URLs of the service, which may have a path prefix; this file is <prefix>/playground/service.js.

export const serviceUrl = (path) => new URL(`..${path}`, import.meta.url).href;
export const socketUrl = (path) => serviceUrl(path).replace("http", "ws");
