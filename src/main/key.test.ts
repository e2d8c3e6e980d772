import { expect, test } from "vitest";
import { looksLikeKey } from "./key.ts";

const check = (text: string, isKey: boolean) => expect(looksLikeKey(text), text).toBe(isKey);

test("names of variables are names", () => {
  for (const name of [
    "WORK_KEY",
    "OPENAI_API_KEY",
    "K",
    "key",
    "MY_VERY_LONG_NAME_OF_A_VARIABLE_2",
    "SK_KEY",
    "myKey2",
    "anthropic_api_key_2",
  ])
    check(name, false);
});

test("what providers hand out is a key", () => {
  for (const key of [
    "sk-ant-api03-abc",
    "sk-proj-abc",
    "gsk_abcDEF",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "AIzaSyA-abc123",
    "AKIAIOSFODNN7EXAMPLE",
    "hf_abcdefgh",
    "eyJhbGciOiJIUzI1NiJ9.e30.x",
    "3fa85f6457174562b3fc2c963f66afa6",
    "Zm9vYmFyYmF6cXV4MTIzNDU2",
    "  sk-ant-with-blanks  ",
  ])
    check(key, true);
});
