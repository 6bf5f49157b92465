<?php echo 'client 11 of the agency: ', $_SERVER['HTTP_HOST'], "\n";
