// Runs inside PhantomJS 1.9.8 (ECMAScript 5): opens the page and prints its events.
// Ends with the first fault, so that an engine never outlives its controller.

var system = require('system');
var page = require('webpage').create();

function end(why) {
  system.stdout.writeLine(why);
  phantom.exit(1);
}

page.onCallback = function (event) {
  if (event.event === 'fault') end(event.note);
  if (event.event === 'ready') {
    var v = phantom.version;
    event.peer = 'PhantomJS ' + v.major + '.' + v.minor + '.' + v.patch;
  }
  system.stdout.writeLine(JSON.stringify(event).replace(/[^\x20-\x7e]/g, function (unit) {
    return '\\u' + ('000' + unit.charCodeAt(0).toString(16)).slice(-4);
  }));
};

page.onError = function (message) {
  end('script error in the page: ' + message);
};

page.open(system.args[1], function (status) {
  if (status !== 'success') end('the page does not load: ' + status);
});
