"""A telephone by PJSIP (its Python bindings, pjsua2), without a sound card.

usage: pjsua.py TRANSPORT SERVER USER PASSWORD SECONDS [URI]

Registers, then calls URI, or waits to be called and answers; talks for so long; the caller hangs
up. What it hears goes to USER.wav; it says USER.tone.wav as long as the call is up.
"""

import os
import sys
import time

import pjsua2 as pj

PATIENCE = 20

transport, server, user, password, seconds = sys.argv[1:6]
uri = sys.argv[6] if len(sys.argv) > 6 else None


def told(text):
    print(text, flush=True)


class Call(pj.Call):
    up = False
    over = False
    player = None
    recorder = None

    def onCallState(self, _):
        info = self.getInfo()
        told(f"call {info.stateText} {info.lastStatusCode}")
        self.up = self.up or info.state == pj.PJSIP_INV_STATE_CONFIRMED
        self.over = info.state == pj.PJSIP_INV_STATE_DISCONNECTED

    def onCallMediaState(self, _):
        if self.recorder is not None:
            return
        sound = self.getAudioMedia(-1)
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(f"{user}.tone.wav")
        self.player.startTransmit(sound)
        self.recorder = pj.AudioMediaRecorder()
        self.recorder.createRecorder(f"{user}.wav")
        sound.startTransmit(self.recorder)


class Account(pj.Account):
    registered = None
    call = None

    def onRegState(self, state):
        self.registered = state.code
        told(f"registered {state.code} {state.expiration}")

    def onIncomingCall(self, incoming):
        self.call = Call(self, incoming.callId)
        for code in (180, 200):
            answer = pj.CallOpParam()
            answer.statusCode = code
            self.call.answer(answer)


def until(endpoint, what, condition, limit=PATIENCE):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited in vain for {what}")
        endpoint.libHandleEvents(20)


endpoint = pj.Endpoint()
endpoint.libCreate()
settings = pj.EpConfig()
settings.uaConfig.threadCnt = 0
settings.uaConfig.mainThreadOnly = True
settings.logConfig.level = 5
settings.logConfig.consoleLevel = 0
settings.logConfig.filename = f"{user}.pjsip.log"
endpoint.libInit(settings)
endpoint.audDevManager().setNullDev()
kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP}
local = pj.TransportConfig()
local.boundAddress = "127.0.0.1"
endpoint.transportCreate(kinds[transport], local)
endpoint.libStart()

account = pj.AccountConfig()
account.idUri = f"sip:{user}@office.localhost"
account.regConfig.registrarUri = f"sip:office.localhost;transport={transport}"
account.regConfig.timeoutSec = 300
account.sipConfig.proxies.append(f"sip:{server};transport={transport};lr")
account.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
phone = Account()
phone.create(account)
until(endpoint, "the registration", lambda: phone.registered is not None)
if phone.registered != 200:
    sys.exit("not registered")
if uri:
    phone.call = Call(phone)
    phone.call.makeCall(uri, pj.CallOpParam(True))
until(endpoint, "a call", lambda: phone.call is not None)
until(endpoint, "an answer", lambda: phone.call.up or phone.call.over)
if not phone.call.up:
    sys.exit("not answered")
if uri:
    time_up = time.monotonic() + float(seconds)
    until(endpoint, "time", lambda: time.monotonic() > time_up or phone.call.over)
    if phone.call.over:
        sys.exit("hung up early")
    phone.call.hangup(pj.CallOpParam(True))
until(endpoint, "the end", lambda: phone.call.over, float(seconds) + PATIENCE)
call, phone.call = phone.call, None
# The files are whole only when their owners are gone.
call.recorder = call.player = None
del call
# The bridge lets go of them in its own time.
quiet = time.monotonic() + 0.5
until(endpoint, "the files", lambda: time.monotonic() > quiet)
phone.shutdown()
told("done")
# The library and Python disagree on who frees what at the end.
os._exit(0)
