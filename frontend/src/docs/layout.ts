/** What Swagger UI gives to plugins; its React is another one than ours. */
export interface System {
  React: { createElement: (type: unknown, properties?: object | null, ...children: unknown[]) => object };
}

interface Properties {
  getComponent: (name: string, container?: boolean) => unknown;
  specSelectors: { specStr: () => string };
}

/**
 * Swagger UI's parts without its frame: title and introduction, a choice among servers where there is one, and a `main` of
 * its own would stand within those of the page.
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
