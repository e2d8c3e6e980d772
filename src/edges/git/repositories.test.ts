import { deliveryCases } from "../../ports/delivery.case.ts";
import { gitMergeCases } from "../../ports/merge.case.ts";
import { repositoryCases, userEnvironment } from "../../ports/repository.case.ts";
import { openRepositories } from "./repositories.ts";

const open = (root: string) => openRepositories({ root, surroundings: userEnvironment });
repositoryCases("git", open);
gitMergeCases("git", open);
deliveryCases("git", open);
