/** What a service may be called: it stands in paths, names of resources and SPIFFE IDs. */

/** A DNS label. */
export const serviceNameShape = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const isServiceName = (name: string): boolean => serviceNameShape.test(name);
