import { repositoryCases, userEnvironment } from "../../ports/repository.case.ts";
import { openRepositories } from "./repositories.ts";

repositoryCases("git", (root) => openRepositories({ root, surroundings: userEnvironment }));
