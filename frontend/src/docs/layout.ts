/** Object that Swagger UI passes to plugins; its React is a separate copy. */
export interface System {
  React: { createElement: (type: unknown, properties?: object | null, ...children: unknown[]) => object };
}

interface Properties {
  getComponent: (name: string, container?: boolean) => unknown;
  specSelectors: { specStr: () => string };
}

/**
 * Swagger UI's components without its frame: the page already has a title, an introduction, the servers and a `main`.
 */
export function ownLayout(system: System): object {
  const Layout = ({ getComponent, specSelectors }: Properties): object | null => {
    if (!specSelectors.specStr()) return null;
    const h = system.React.createElement;
    const part = (name: string, container = true): object => h(getComponent(name, container));
    return h(
      "div",
      { className: "swagger-ui" },
      part("SvgAssets", false),
      part("errors"),
      part("AuthorizeBtnContainer"),
      h("h3", null, "Requests"),
      part("operations"),
      h("h3", null, "Bodies"),
      part("Models"),
    );
  };
  return { components: { OwnLayout: Layout } };
}
