"""Calls that phones make: the phone's user decides the caller ID, and the dialled text becomes a
number. The same decision as samples/first/functions/sip-outbound.js.
"""
import re

from offhook import Element, log

CALLER_IDS = {'home': '+12223331234', 'myuser': '+12223335678'}
DEFAULT_CALLER_ID = '+12223339999'

USER = re.compile(r'(?:sips?:)?([^@]*)')
DEVICE = re.compile(r';gr\b')
LETTER = re.compile(r'[A-Za-z]')


def handler(context, event):
    caller, to, caller_id = (event.get(name, '') for name in ('From', 'To', 'callerId'))
    response = Element('Response')
    if not caller and not caller_id:
        return fail(response, 'Error placing the call. From caller is required.')
    if not to:
        return fail(response, 'Error placing the call. To caller is required.')

    user, dialled = (USER.match(uri).group(1) for uri in (caller, to))
    caller_id = caller_id or CALLER_IDS.get(user, DEFAULT_CALLER_ID)
    if DEVICE.search(to):
        # One device of a user (RFC 5627): only the whole URI leads to it.
        response.add('Dial').add('Sip', to)
    elif LETTER.search(dialled):
        # A colleague, not a number: rings all phones of that user.
        response.add('Dial').add('Sip', f'sip:{dialled}@office.localhost')
    else:
        number = number_of(dialled)
        log(f'{user} calls {number} as {caller_id}')
        response.add('Dial', number, callerId=caller_id, record='do-not-record')
    return response


def fail(response, reason):
    response.add('Say', reason, voice='alice', language='en-CA')
    return response


def number_of(dialled):
    """New Zealand (64…) and Singapore (65…) numbers of ten digits lack their plus; 650… is California."""
    if len(dialled) != 10:
        return dialled if dialled.startswith('+') else '+' + dialled
    if dialled.startswith(('64', '65')) and not dialled.startswith('650'):
        return '+' + dialled
    return '+1' + dialled
