import { a } from "../../../../secret.ada"
import { b } from "std/../names.ada"
