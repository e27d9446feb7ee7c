"""Greets who calls. `offhook fn build {{name}}` makes functions/{{name}}.wasm of it.

What stands outside of `handler` runs once, when it is built.
"""
from offhook import Element, log


def handler(context, event):
    who = event.get('From') or 'stranger'
    log(who)
    response = Element('Response')
    response.add('Say', f'Hello, {who}')
    return response
